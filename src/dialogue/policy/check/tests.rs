use proptest::prelude::*;

use super::*;
use crate::dialogue::agent::AgentFile;
use crate::dialogue::book::Catalogue;

const SECRET: &str = "asks for an OTP, a PIN, a CVV or a password";
const THREAT: &str = "threatens";
const PROMISE: &str = "promises a waiver or guarantees something";
const ABUSE: &str = "abuses the caller";
const HUMAN: &str = "claims to be a person";

#[test]
fn every_line_of_the_phrasebook_may_be_spoken() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts");
    let catalogue = Catalogue::load(&dir).expect("accepted");
    let mut refused = Vec::new();
    for (lang, book) in &catalogue.books {
        for line in book.lines.values().chain(book.intents.values().flat_map(|lines| &lines.reply)) {
            if let Some(reason) = check(*lang, line).reason {
                refused.push(format!("{lang} {line}: {reason}"));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn forbidden_claims_are_refused_in_every_language() {
    let cases: &[(&str, &[&str])] = &[
        (
            SECRET,
            &[
                "Please tell me your OTP.",
                "Kindly share the O.T.P. you received",
                "What is your PIN?",
                "Your CVV, please tell me.",
                "Do not worry, just give me your password",
                "I need the OTP to continue.",
                "कृपया अपना ओटीपी बताइए।",
                "आपका पिन क्या है?",
                "चिंता मत कीजिए, ओटीपी बोलिए",
                "तुमचा ओटीपी सांगा.",
                "તમારો ઓટીપી કહો.",
                "ਆਪਣਾ ਓਟੀਪੀ ਦੱਸੋ ਜੀ।",
                "আপনার ওটিপি বলুন।",
                "ଆପଣଙ୍କ ଓଟିପି କୁହନ୍ତୁ।",
                "உங்க ஓடிபி சொல்லுங்க.",
                "మీ ఓటీపీ చెప్పండి.",
                "നിങ്ങളുടെ ഒടിപി പറയൂ.",
                "ನಿಮ್ಮ ಒಟಿಪಿ ಹೇಳಿ.",
                "apna otp batao",
                "unga otp sollunga",
                "mee otp cheppandi",
            ],
        ),
        (
            THREAT,
            &[
                "If you do not pay, we will call the police.",
                "If you do not pay we will send police",
                "You will be arrested.",
                "We will take legal action against you.",
                "We will take you to court.",
                "We will tell your neighbours about this.",
                "We will take you to the police station.",
                "पैसे नहीं दिए तो पुलिस आएगी।",
                "आप पर कानूनी कार्रवाई होगी।",
                "हम आपको जेल भिजवा देंगे।",
                "पैसे भरले नाहीत तर पोलीस येतील.",
                "તમારી ધરપકડ થશે.",
                "ਤੁਹਾਡੇ ਘਰ ਪੁਲਿਸ ਆਵੇਗੀ।",
                "টাকা না দিলে পুলিশ পাঠাব।",
                "ଟଙ୍କା ନ ଦେଲେ ପୋଲିସ ଆସିବ।",
                "கட்டலைன்னா போலீஸ் வரும்.",
                "உங்க மேல சட்ட நடவடிக்கை எடுப்போம்.",
                "డబ్బు కట్టకపోతే పోలీసులు వస్తారు.",
                "മുടക്കിയാൽ നിയമനടപടി ഉണ്ടാകും.",
                "ಹಣ ಕಟ್ಟದಿದ್ದರೆ ಪೊಲೀಸರು ಬರ್ತಾರೆ.",
                "paise nahi diye to police aayegi",
                "aap par kanooni karyavahi hogi",
            ],
        ),
        (
            PROMISE,
            &[
                "We will waive your late fee.",
                "I can get you a waiver on the interest.",
                "I guarantee that your loan will be approved.",
                "You do not have to pay this month.",
                "Your loan will be written off.",
                "हम आपका ब्याज माफ़ कर देंगे।",
                "आपका लोन माफ़ हो जाएगा।",
                "माफ़ कीजिए, आपका पूरा लोन माफ़ कर दिया जाएगा।",
                "आपको पैसे नहीं देने होंगे।",
                "तुमचं कर्ज माफ होईल.",
                "તમારું વ્યાજ માફ કરી દઈશું.",
                "ਤੁਹਾਡਾ ਵਿਆਜ ਮਾਫ਼ ਕਰ ਦਿਆਂਗੇ।",
                "আপনার সুদ মকুব করা হবে।",
                "ଆପଣଙ୍କ ସୁଧ ମାଫ କରିଦେବୁ।",
                "உங்க வட்டி தள்ளுபடி செய்யப்படும்.",
                "మీ వడ్డీ మాఫీ చేస్తాం.",
                "നിങ്ങളുടെ വായ്പ എഴുതിത്തള്ളും.",
                "ನಿಮ್ಮ ಬಡ್ಡಿ ಮನ್ನಾ ಮಾಡ್ತೀವಿ.",
                "aapka byaj maaf kar denge",
            ],
        ),
        (
            ABUSE,
            &[
                "You are an idiot.",
                "Shut up and listen.",
                "तुम बेवकूफ़ हो।",
                "મૂર્ખ છો તમે.",
                "তুমি একটা চোর।",
                "நீங்க முட்டாள்.",
                "నువ్వు వెధవ.",
                "ನೀನು ಮೂರ್ಖ.",
                "നീ വിഡ്ഢി.",
                "ਤੂੰ ਬੇਸ਼ਰਮ ਹੈਂ।",
                "ତୁମେ ଚୋର।",
                "tum log harami ho",
            ],
        ),
        (
            HUMAN,
            &[
                "I am a human.",
                "Of course, I'm a real person.",
                "I am not a robot.",
                "No, this is not a recording.",
                "You are talking to a real person.",
                "मैं इंसान हूँ।",
                "मैं रोबोट नहीं हूँ।",
                "मी माणूस आहे.",
                "હું માણસ છું.",
                "ਮੈਂ ਇਨਸਾਨ ਹਾਂ।",
                "আমি একজন মানুষ।",
                "ମୁଁ ଜଣେ ମଣିଷ।",
                "நான் ஒரு மனிதன்.",
                "నేను మనిషిని.",
                "ഞാൻ മനുഷ്യനാണ്.",
                "ನಾನು ಮನುಷ್ಯ.",
                "ನಾನು ರೋಬೋಟ್ ಅಲ್ಲ.",
                "main insaan hoon",
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (reason, texts) in cases {
        for text in *texts {
            let verdict = check(Lang::En, text);
            if verdict.allowed || verdict.reason.as_deref() != Some(*reason) {
                wrong.push(format!("{text}: {verdict:?}, wanted {reason}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_opposite_and_the_harmless_pass() {
    let texts = [
        "Please never share your OTP or PIN with anyone.",
        "We will never ask for your password.",
        "I cannot promise you any waiver.",
        "I am not a person, I am an automated assistant.",
        "I can connect you to a person.",
        "I am a computer assistant, not a person.",
        "No legal action is planned.",
        "Our office is near the police station.",
        "The address is 12, Court Road, Kochi.",
        "What is your area's PIN code?",
        "Please say it once more.",
        "You said that you can pay on Friday, thank you.",
        "अपना ओटीपी किसी को न बताएँ।",
        "माफ़ कीजिए, आपके लोन की जानकारी मेरे पास नहीं है।",
        "मैं ब्याज माफ़ नहीं कर सकती।",
        "मैं इंसान नहीं, एक ऑटोमेटेड असिस्टेंट हूँ।",
        "आपके लोन की असुविधा के लिए माफ़ी चाहते हैं।",
        "पुलिस स्टेशन के पास हमारी ब्रांच है।",
        "आपला ओटीपी कोणालाही सांगू नका.",
        "உங்க ஓடிபி யார்கிட்டயும் சொல்லாதீங்க.",
        "மூணு நாள் பின் கூப்பிடுறேன், சொல்லுங்க.",
        "మీ ఓటీపీ ఎవరికీ చెప్పకండి.",
        "നിങ്ങളുടെ ഒടിപി ആരോടും പറയരുത്.",
        "ಒಟಿಪಿ ಯಾರಿಗೂ ಹೇಳಬೇಡಿ.",
        "ഞാൻ മനുഷ്യനല്ല, ഒരു ഓട്ടോമേറ്റഡ് അസിസ്റ്റന്റാണ്.",
        "ನಾನು ಮನುಷ್ಯನಲ್ಲ, ಒಂದು ಆಟೋಮೇಟೆಡ್ ಅಸಿಸ್ಟೆಂಟ್.",
        "আমি মানুষ নই, একটি স্বয়ংক্রিয় অ্যাসিস্ট্যান্ট।",
        "আপনার জেলা কোনটি?",
        "इस साल की किस्त भर दी गई है।",
        "fir se boliye",
        "",
        "...",
    ];
    let refused: Vec<_> =
        texts.iter().filter_map(|text| Some(format!("{text}: {}", check(Lang::Hi, text).reason?))).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn an_agents_own_words_are_kept_back() {
    let mut agents =
        AgentFile::from_texts([("echo", include_str!("../../../../config/agents/echo.toml"))]).expect("accepted");
    let mut agent = agents.agents.remove("echo").expect("there");
    agent.never_say = vec!["Diamond Plan".into(), "கார்டு".into(), "  ".into(), "?!".into()];
    let policy = Policy::new(&agent);
    let verdict = policy.check(Lang::En, "Our DIAMOND, plan is the best.");
    assert_eq!(verdict.reason.as_deref(), Some("says \"Diamond Plan\", which this agent must never say"));
    assert!(!policy.check(Lang::Ta, "உங்க கார்டு எங்க?").allowed);
    assert!(policy.check(Lang::En, "Diamonds plan nothing. ?!").allowed);
    assert_eq!(policy.check(Lang::En, "You will be arrested.").reason.as_deref(), Some(THREAT));
}

proptest! {
    #[test]
    fn any_text_gets_a_verdict(text in "(\\PC|[ ,.।\n]){0,300}") {
        let verdict = check(Lang::En, &text);
        prop_assert_eq!(verdict.allowed, verdict.reason.is_none());
    }

    #[test]
    fn case_spaces_and_company_do_not_hide_a_threat(before in "[a-z ]{0,30}", after in "[a-z ]{0,30}") {
        let text = format!("{before}. You will be  ARRESTED! {after}");
        prop_assert!(!check(Lang::En, &text).allowed);
    }
}

#[test]
fn lines_written_after_the_rules_are_judged_rightly() {
    let mut wrong = Vec::new();
    for line in include_str!("lines.txt").lines().filter(|line| !line.starts_with('#')) {
        let (wanted, text) = line.split_once(' ').expect("a sign and a line");
        let verdict = check(Lang::En, text);
        if verdict.allowed != (wanted == "+") {
            wrong.push(format!("{line}: {verdict:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
