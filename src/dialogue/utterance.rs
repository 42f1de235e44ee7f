//! What a sound of the caller is meant to do while the agent speaks. Promise: "haan", "ji", "hmm"
//! never stop the agent, "ruko", "nillu", "aagandi" always do, and a sentence is an answer.
//! Absent on purpose: whether a question was open (then "haan" is an answer; the turn knows).

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::base::Lang;

use super::romanise::plain;
use super::words::{fold, vocabulary};

/// How an utterance bears on the agent's speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UtteranceClass {
    /// "I am listening, go on."
    Backchannel,
    /// "Stop, let me speak."
    Interrupt,
    /// Everything with content.
    Answer,
}

/// Longer than this is speech with content, whatever its words.
const BACKCHANNEL_WORDS_MAX: usize = 5;
/// A stop phrase among at most so many other words is still only a stop.
const WORDS_BESIDE_STOP_MAX: usize = 2;

pub fn class(lang: Lang, text: &str) -> UtteranceClass {
    let words: Vec<String> = fold(text).into_iter().map(shorten).collect();
    if words.is_empty() {
        return UtteranceClass::Backchannel; // a cough stops nobody
    }
    let lists = lists(lang);
    if let Some(rest) = lists.beside_stop(&words)
        && rest <= WORDS_BESIDE_STOP_MAX
        && words.len() <= 8
    {
        return UtteranceClass::Interrupt;
    }
    if words.len() <= BACKCHANNEL_WORDS_MAX && lists.only_nods(&words) {
        return UtteranceClass::Backchannel;
    }
    UtteranceClass::Answer
}

/// Are folded words nothing but closed answers ("haan", "theek hai sir") and, if so wished, refusals?
pub(crate) fn only_known(lang: Lang, words: &[String], refusals: bool) -> bool {
    let words: Vec<String> = words.iter().cloned().map(shorten).collect();
    let refused = |w: &String| refusals && REFUSALS.iter().any(|r| r == w);
    let rest: Vec<String> = words.iter().filter(|w| !refused(w)).cloned().collect();
    (rest.is_empty() && !words.is_empty()) || lists(lang).only_nods(&rest)
}

/// "sir", "bhai", "please": no content, wherever it stands.
pub(crate) fn address(word: &str) -> bool {
    let word = shorten(word.to_owned());
    ADDRESSES.contains(&word)
}

static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    vocabulary(
        "please plz sir madam mam maam ji bhai bhaiya yaar sahab saheb anna akka chetta chechi dada didi ben veer veerji paji guru thambi \
         सर मैडम मॅडम साहब साहेब भाई भैया यार प्लीज जी दादा ताई சார் மேடம் அண்ணா அக்கா ஐயா தம்பி ப்ளீஸ் సార్ మేడం అన్నా అక్క ప్లీజ్ \
         സാർ മാഡം ചേട്ടാ ചേച്ചി പ്ലീസ് ಸಾರ್ ಸರ್ ಮೇಡಂ ಅಣ್ಣ ಅಕ್ಕ ಪ್ಲೀಸ್ સર મેડમ સાહેબ ભાઈ બેન પ્લીઝ দাদা দিদি স্যার ম্যাডাম প্লিজ \
         ਸਰ ਮੈਡਮ ਵੀਰ ਭਾਜੀ ਜੀ ਪਲੀਜ਼ ਯਾਰ ଭାଇ ଦିଦି ସାର୍ ମ୍ୟାଡାମ୍ ପ୍ଲିଜ୍ ଆଜ୍ଞା",
    )
    .into_iter()
    .map(shorten)
    .collect()
});

static REFUSALS: LazyLock<Vec<String>> = LazyLock::new(|| {
    vocabulary(
        "no nope not never नहीं ना नको नाही இல்லை இல்ல வேண்டாம் வேணாம் இல்லீங்க లేదు కాదు వద్దు లేదండి వద్దండి അല്ല ഇല്ല വേണ്ട ಇಲ್ಲ ಬೇಡ ಅಲ್ಲ ના નહીં નથી না নেই নাহ \
         ਨਹੀਂ ਨਾ ନା ନାହିଁ ନୁହେଁ ଥାଉ nahi nahin na nako illai illa vendam venam ledu kadu vaddu alla venda beda",
    )
    .into_iter()
    .map(shorten)
    .collect()
});

/// "haaaan", "hmmmm", "हाँआआ" are said long and written long; Latin spellings are folded as well.
fn shorten(word: String) -> String {
    if word.is_ascii() {
        return plain(&word);
    }
    let mut out = String::with_capacity(word.len());
    let mut last = None;
    let mut run = 0;
    for c in word.chars() {
        run = if last == Some(c) { run + 1 } else { 1 };
        last = Some(c);
        if run <= 2 {
            out.push(c);
        }
    }
    out
}

struct Lists {
    nods: Vec<Vec<String>>,
    stops: Vec<Vec<String>>,
    /// Words that may stand beside a stop without being content: addresses, "please", "one".
    beside: Vec<Vec<String>>,
}

impl Lists {
    /// Can the words be cut into nods and addresses with nothing left, at least one being a nod?
    fn only_nods(&self, words: &[String]) -> bool {
        let mut rest = words;
        let mut nods = 0;
        while !rest.is_empty() {
            if let Some(n) = longest(&self.nods, rest) {
                rest = rest.get(n..).unwrap_or_default();
                nods += 1;
            } else if let Some(n) = longest(&self.beside, rest) {
                rest = rest.get(n..).unwrap_or_default();
            } else {
                return false;
            }
        }
        nods > 0
    }

    /// Number of content words beside the stop phrases; `None` without a stop phrase.
    fn beside_stop(&self, words: &[String]) -> Option<usize> {
        let mut rest = words;
        let (mut stops, mut content) = (0, 0);
        while !rest.is_empty() {
            let step = if let Some(n) = longest(&self.stops, rest) {
                stops += 1;
                n
            } else if let Some(n) = longest(&self.nods, rest).or_else(|| longest(&self.beside, rest)) {
                n
            } else {
                content += 1;
                1
            };
            rest = rest.get(step..).unwrap_or_default();
        }
        (stops > 0).then_some(content)
    }
}

/// Words taken by the longest phrase of the list that the text starts with.
fn longest(list: &[Vec<String>], words: &[String]) -> Option<usize> {
    list.iter().filter(|p| words.starts_with(p)).map(Vec::len).max()
}

fn lists(lang: Lang) -> &'static Lists {
    static ALL: LazyLock<HashMap<Lang, Lists>> = LazyLock::new(|| {
        let phrases = |texts: &[&str]| -> Vec<Vec<String>> {
            texts
                .iter()
                .flat_map(|t| t.split(','))
                .map(|p| vocabulary(p).into_iter().map(shorten).collect::<Vec<_>>())
                .filter(|p| !p.is_empty())
                .collect()
        };
        TABLE
            .iter()
            .map(|row| {
                let lists = Lists {
                    nods: phrases(&[row.nods, EVERYWHERE.nods]),
                    stops: phrases(&[row.stops, EVERYWHERE.stops]),
                    beside: phrases(&[row.beside, EVERYWHERE.beside]),
                };
                (row.lang, lists)
            })
            .collect()
    });
    static NONE: Lists = Lists { nods: Vec::new(), stops: Vec::new(), beside: Vec::new() };
    ALL.get(&lang).unwrap_or(&NONE)
}

struct Row {
    lang: Lang,
    nods: &'static str,
    stops: &'static str,
    beside: &'static str,
}

/// Said in every language of the box.
const EVERYWHERE: Row = Row {
    lang: Lang::En,
    nods: "hm,hmm,mhm,mm,mmhm,uh huh,aha,ah,oh,uh,um,ok,okay,k,yes,yeah,yep,right,sure,fine,alright,i see,go on,go ahead,yes yes,got it,correct,true,good,cool,hello",
    stops: "stop,stop stop,wait,hold on,hold,one minute,one second,one sec,just a minute,just a second,a minute,a moment,one moment,enough,quiet,shut up,listen,excuse me,let me speak,let me talk,let me finish,no no wait,pause,hang on",
    beside: "please,plz,sir,madam,mam,maam,ji,just,no,me,to,first,now,for,a",
};

const TABLE: [Row; 11] = [
    Row {
        lang: Lang::En,
        nods: "exactly,of course,understood,i understand,carry on,continue,yes sir,i am listening,im listening,really,sounds good,ji,haan,achha",
        stops: "wait wait,listen to me,hear me,dont speak,stop talking,stop it,hold it,slow down,that is enough,thats enough",
        beside: "can,you,i,will,brother",
    },
    Row {
        lang: Lang::Hi,
        nods: "हाँ,हां जी,हांजी,जी,जी हाँ,हम्म,हूँ,हं,अच्छा,ठीक,ठीक है,सही,सही है,बिल्कुल,ओके,समझा,समझ गया,समझ गई,हाँ बोलिए,बोलिए,बताइए,आगे बोलिए,सुन रहा हूँ,सुन रही हूँ,हो,ओह,आ,आह,उम्म,अरे वाह,वाह,चलिए,चलो,जी बोलिए,यस,राइट,हाँ हाँ,हैलो,\
               haan,han,ha,haanji,ji,ji haan,ji han,accha,achha,acha,theek,thik,theek hai,thik hai,sahi,sahi hai,bilkul,samjha,samajh gaya,samajh gayi,boliye,bataiye,aage boliye,hoon,sun raha hoon,sun rahi hoon,chaliye,chalo",
        stops: "रुको,रुकिए,रुक जाओ,रुक जाइए,रुकिये,ठहरो,ठहरिए,ठहर जाइए,बस,बस करो,बस कीजिए,बस बस,चुप,चुप रहो,चुप करो,एक मिनट,एक मिनिट,एक सेकंड,एक सेकेंड,एक पल,सुनो,सुनिए,मेरी बात सुनो,मेरी बात सुनिए,मुझे बोलने दो,मुझे बोलने दीजिए,पहले मेरी सुनो,स्टॉप,वेट,बंद करो,बंद कीजिए,थोड़ा रुकिए,\
                ruko,rukiye,rukie,ruk jao,ruk jaiye,thehro,theharo,thehriye,bas,bas karo,bas bas,chup,chup raho,ek minute,ek minit,ek min,ek second,ek sec,suno,suniye,sunie,meri baat suno,meri baat suniye,mujhe bolne do,mujhe bolne dijiye,pehle meri suno,band karo",
        beside: "अरे,भाई,भैया,मैडम,सर,साहब,ज़रा,प्लीज़,प्लीज,यार,तो,ना,थोड़ा,नहीं,पहले,arre,are,bhai,bhaiya,zara,yaar,na,toh,thoda,nahi,pehle,sahab",
    },
    Row {
        lang: Lang::Ta,
        nods: "ஆமா,ஆமாம்,ஆமாங்க,ஆம்,சரி,சரிங்க,சரி சரி,ம்,ம்ம்,ஓ,ஓகே,ஆங்,ஹ்ம்,ஹாங்,சொல்லுங்க,சொல்லு,அப்படியா,புரியுது,புரிஞ்சுது,தெரியும்,கேக்குது,நல்லது,சரிதான்,அப்புறம்,மேல சொல்லுங்க,கேக்குறேன்,ஹலோ,\
               ama,aama,amam,aamaam,aamanga,amanga,sari,seri,saringa,seringa,sollunga,appadiya,apdiya,puriyuthu,purinjuthu,ketkuthu,kekkuthu,nallathu,aah",
        stops: "நில்லு,நில்லுங்க,நிறுத்து,நிறுத்துங்க,இருங்க,இரு,கொஞ்சம் இருங்க,பொறுங்க,கொஞ்சம் பொறுங்க,பொறு,ஒரு நிமிஷம்,ஒரு நிமிடம்,ஒரு செகண்ட்,போதும்,போதுங்க,கேளுங்க,கேளு,நான் சொல்றதை கேளுங்க,நான் பேசணும்,என்னை பேச விடுங்க,ஸ்டாப்,வெயிட்,வெயிட் பண்ணுங்க,\
                nillu,nillunga,niruthu,niruthunga,nirutthunga,irunga,iru,konjam irunga,porunga,poru,oru nimisham,oru nimidam,oru second,pothum,podhum,kelunga,kelu,wait pannunga,enna pesa vidunga",
        beside: "சார்,மேடம்,அண்ணா,ஐயா,அக்கா,கொஞ்சம்,தம்பி,ப்ளீஸ்,முதல்ல,இல்ல,anna,akka,ayya,konjam,thambi,illa",
    },
    Row {
        lang: Lang::Te,
        nods: "అవును,అవునండి,సరే,సరేనండి,సరేసరే,ఊ,ఊఁ,ఊం,హా,ఆ,ఆఁ,ఓ,ఓకే,ఔను,చెప్పండి,చెప్పు,అలాగే,అలాగా,అర్థమైంది,తెలుసు,మంచిది,కరెక్ట్,వింటున్నా,వింటున్నాను,హలో,ఓహో,నిజమే,\
               avunu,avunandi,avnu,sare,sarey,sarenandi,cheppandi,cheppu,alage,alaage,alaga,arthamaindi,ardhamaindi,telusu,manchidi,vintunna,haa,aa",
        stops: "ఆగండి,ఆగు,ఆపండి,ఆపు,ఒక్క నిమిషం,ఒక నిమిషం,ఒక్క క్షణం,ఒక్క సెకండ్,ఒక్కసారి ఆగండి,ఉండండి,ఉండు,కొంచెం ఆగండి,చాలు,చాలండి,వినండి,నా మాట వినండి,నన్ను మాట్లాడనివ్వండి,నేను చెప్పేది వినండి,స్టాప్,వెయిట్,నిలపండి,\
                aagandi,agandi,aagu,agu,aapandi,apandi,aapu,okka nimisham,oka nimisham,okka kshanam,okka second,undandi,undu,konchem aagandi,chalu,chaalu,vinandi,naa maata vinandi,nannu matladanivvandi",
        beside: "అండి,సార్,మేడం,అన్నా,బాబు,కొంచెం,కాస్త,ప్లీజ్,ముందు,లేదు,andi,anna,babu,konchem,kasta,ledu",
    },
    Row {
        lang: Lang::Ml,
        nods: "അതെ,അതേ,ഉവ്വ്,ഉം,ഊം,ആ,ഹാ,ഓ,ഓക്കേ,ഓകെ,ഓക്കെ,ശരി,ശെരി,ശരി ശരി,പറയൂ,പറഞ്ഞോളൂ,പറ,മനസ്സിലായി,അറിയാം,കേൾക്കുന്നുണ്ട്,കേൾക്കാം,ആണോ,ആയിക്കോട്ടെ,നല്ലത്,എന്നിട്ട്,ഹലോ,ങ്ഹാ,ആഹാ,\
               athe,athey,uvvu,um,aa,sheri,seri,shari,sari,parayu,parayoo,paranjolu,para,manasilayi,manassilayi,ariyam,kelkkunnundu,kelkkam,aano,ayikkotte,ennittu",
        stops: "നിൽക്കൂ,നിൽക്ക്,നില്ല്,നിക്ക്,നിർത്തൂ,നിർത്ത്,നിർത്തണം,ഒരു മിനിറ്റ്,ഒരു നിമിഷം,ഒരു സെക്കൻഡ്,മതി,മതി മതി,കേൾക്കൂ,കേൾക്ക്,ഞാൻ പറയട്ടെ,ഞാൻ പറയുന്നത് കേൾക്കൂ,എന്നെ പറയാൻ അനുവദിക്കൂ,കാത്തിരിക്കൂ,സ്റ്റോപ്പ്,വെയിറ്റ്,\
                nilkku,nilkkoo,nilku,nillu,nikku,nirthu,nirthoo,nirthooo,oru minute,oru nimisham,oru minit,oru second,mathi,kelkku,kelkkoo,njan parayatte,kathirikku",
        beside: "സാർ,മാഡം,ചേട്ടാ,ചേച്ചി,പ്ലീസ്,ഒന്ന്,അല്ല,ഇല്ല,അയ്യോ,എടാ,chetta,chechi,onnu,alla,illa,ayyo",
    },
    Row {
        lang: Lang::Kn,
        nods: "ಹೌದು,ಹೌದ್ರೀ,ಹೌದೌದು,ಹೂಂ,ಹೂ,ಉಂ,ಹಾಂ,ಹಾ,ಆಂ,ಓ,ಓಕೆ,ಸರಿ,ಸರಿ ಸರಿ,ಆಯ್ತು,ಹೇಳಿ,ಹೇಳ್ರೀ,ಗೊತ್ತು,ಗೊತ್ತಾಯ್ತು,ಅರ್ಥ ಆಯ್ತು,ಅರ್ಥವಾಯ್ತು,ಒಳ್ಳೇದು,ಕೇಳ್ತಿದ್ದೀನಿ,ಹಲೋ,ಹೌದಾ,ಆಗಲಿ,\
               houdu,haudu,howdu,howdri,houdri,sari,aytu,aytu,aaytu,heli,helri,gottu,gottaytu,artha aytu,olledu,keltidini,hoo,hu,houda",
        stops: "ನಿಲ್ಲಿ,ನಿಲ್ಲಿಸಿ,ನಿಲ್ಸಿ,ನಿಲ್ಲು,ತಡೀರಿ,ತಡಿ,ತಡೆಯಿರಿ,ಇರಿ,ಸ್ವಲ್ಪ ಇರಿ,ಸ್ವಲ್ಪ ತಡೀರಿ,ಒಂದು ನಿಮಿಷ,ಒಂದ್ ನಿಮಿಷ,ಒಂದು ಸೆಕೆಂಡ್,ಸಾಕು,ಸಾಕು ಸಾಕು,ಕೇಳಿ,ಕೇಳ್ರೀ,ನನ್ನ ಮಾತು ಕೇಳಿ,ನಾನು ಮಾತಾಡ್ಲಿ,ನಾನು ಹೇಳೋದು ಕೇಳಿ,ಸ್ಟಾಪ್,ವೇಟ್ ಮಾಡಿ,\
                nilli,nillisi,nilsi,nillu,tadiri,tadi,thadiri,iri,swalpa iri,swalpa tadiri,ondu nimisha,ond nimisha,ondu second,saaku,saku,keli,kelri,nanna maatu keli,wait madi",
        beside: "ಸಾರ್,ಸರ್,ಮೇಡಂ,ಅಣ್ಣ,ಅಕ್ಕ,ಸ್ವಲ್ಪ,ಪ್ಲೀಸ್,ಮೊದಲು,ಇಲ್ಲ,ಅಯ್ಯೋ,anna,akka,swalpa,modalu,illa",
    },
    Row {
        lang: Lang::Gu,
        nods: "હા,હા જી,હાજી,જી,જી હા,હં,હમ્મ,હૂં,અચ્છા,સારું,ઠીક,ઠીક છે,બરાબર,બરાબર છે,ઓકે,ઓહ,આ,બોલો,કહો,હા બોલો,સમજ્યો,સમજી,સમજી ગયો,સમજી ગઈ,સમજાયું,સાચું,સાંભળું છું,ચાલો,હેલો,એમ,\
               haa,ha,haji,haan,ji,accha,achha,saru,saaru,thik,thik che,theek che,barabar,barabar che,bolo,kaho,samjyo,samji gayo,samjayu,sachu,em,chalo",
        stops: "ઊભા રહો,ઉભા રહો,ઊભો રહે,રોકાઓ,રોકાવ,થોભો,બંધ કરો,બસ,બસ કરો,બસ બસ,એક મિનિટ,એક મિનીટ,એક સેકન્ડ,એક પળ,સાંભળો,મારી વાત સાંભળો,મને બોલવા દો,ચૂપ,ચૂપ રહો,સ્ટોપ,જરા થોભો,રહેવા દો,\
                ubha raho,ubho re,rokao,rokav,thobho,bandh karo,bas,bas karo,ek minute,ek minit,ek second,sambhlo,sambhalo,mari vaat sambhlo,mane bolva do,chup,chup raho",
        beside: "ભાઈ,બેન,સાહેબ,જરા,પ્લીઝ,અરે,ને,તો,ના,થોડું,પહેલા,bhai,ben,saheb,jara,are,arre,ne,na,thodu,pehla",
    },
    Row {
        lang: Lang::Mr,
        nods: "हो,होय,हो ना,हो हो,हं,हम्म,हूं,बरं,बरोबर,बरोबर आहे,ठीक,ठीक आहे,ओके,अच्छा,आं,ओह,बोला,सांगा,हो बोला,हो सांगा,समजलं,समजले,कळलं,चालेल,खरंय,ऐकतोय,ऐकते,ऐकतेय,नक्की,हां,हॅलो,जी,असं का,\
               ho,hoy,ho na,ho ho,bara,baraa,barobar,barobar aahe,thik,theek,thik aahe,theek aahe,accha,bola,sanga,samajla,samajale,kalla,chalel,khara,aiktoy",
        stops: "थांबा,थांब,थांबा थांबा,जरा थांबा,पुरे,पुरे आता,बास,बास करा,बस,बस करा,एक मिनिट,एक मिनट,एक सेकंद,एक क्षण,ऐका,ऐक,माझं ऐका,मला बोलू द्या,गप्प,गप्प बसा,बंद करा,स्टॉप,\
                thamba,thaamba,thamb,thaamb,jara thamba,pure,bas,baas,bas kara,ek minute,ek minit,ek second,aika,aik,maza aika,mala bolu dya,gappa,gappa basa,band kara",
        beside: "अहो,अरे,जरा,प्लीज,साहेब,सर,मॅडम,दादा,ताई,ना,नाही,आधी,aho,are,jara,saheb,dada,tai,na,nahi,aadhi",
    },
    Row {
        lang: Lang::Bn,
        nods: "হ্যাঁ,হ্যাঁ হ্যাঁ,হুঁ,হুম,হুমম,আচ্ছা,ও,ওহ,ও আচ্ছা,ঠিক,ঠিক আছে,ঠিকই,ওকে,বলুন,বলো,হ্যাঁ বলুন,বুঝেছি,বুঝলাম,বুঝতে পারছি,একদম,শুনছি,জি,আজ্ঞে,হ্যালো,তাই,তাই নাকি,ভালো,উঁ,আ,\
               hyan,hya,hain,haan,ha,hu,hum,accha,achha,acha,thik,thik ache,thik achhe,bolun,bolo,bujhechi,bujhlam,ekdom,shunchi,ji,aggey,tai,tai naki,bhalo",
        stops: "থামুন,থামো,থাম,দাঁড়ান,দাঁড়াও,একটু দাঁড়ান,একটু থামুন,এক মিনিট,এক সেকেন্ড,এক মুহূর্ত,চুপ,চুপ করুন,চুপ করো,শুনুন,শোনো,আমার কথা শুনুন,আমাকে বলতে দিন,ব্যস,ব্যাস,বন্ধ করুন,থাক,স্টপ,ওয়েট,\
                thamun,thamo,tham,daran,darao,dariye,ektu daran,ektu thamun,ek minute,ek minit,ek second,chup,chup korun,shunun,shono,amar kotha shunun,amake bolte din,byas,bondho korun",
        beside: "দাদা,দিদি,স্যার,ম্যাডাম,একটু,প্লিজ,আরে,তো,না,আগে,dada,didi,ektu,are,arre,to,na,age",
    },
    Row {
        lang: Lang::Pa,
        nods: "ਹਾਂ,ਹਾਂ ਜੀ,ਹਾਂਜੀ,ਜੀ,ਜੀ ਹਾਂ,ਆਹੋ,ਆਹੋ ਜੀ,ਹੂੰ,ਹੰ,ਹਮਮ,ਅੱਛਾ,ਅੱਛਾ ਜੀ,ਚੰਗਾ,ਚੰਗਾ ਜੀ,ਠੀਕ,ਠੀਕ ਹੈ,ਸਹੀ,ਸਹੀ ਹੈ,ਓਕੇ,ਬਿਲਕੁਲ,ਬੋਲੋ,ਦੱਸੋ,ਹਾਂ ਦੱਸੋ,ਸਮਝ ਗਿਆ,ਸਮਝ ਗਈ,ਸੁਣ ਰਿਹਾ ਹਾਂ,ਸੁਣ ਰਹੀ ਹਾਂ,ਹੈਲੋ,ਓ,ਚਲੋ,\
               haan,han,ha,haanji,hanji,ji,ji haan,aho,aaho,aho ji,accha,achha,acha,changa,changa ji,theek,thik,theek hai,thik hai,sahi,sahi hai,bilkul,bolo,dasso,daso,samajh gaya,samajh gayi,chalo",
        stops: "ਰੁਕੋ,ਰੁਕ ਜਾਓ,ਰੁਕ,ਠਹਿਰੋ,ਠਹਿਰ ਜਾਓ,ਬੱਸ,ਬਸ,ਬੱਸ ਕਰੋ,ਬੱਸ ਬੱਸ,ਇੱਕ ਮਿੰਟ,ਇਕ ਮਿੰਟ,ਇੱਕ ਸਕਿੰਟ,ਇੱਕ ਪਲ,ਚੁੱਪ,ਚੁੱਪ ਕਰੋ,ਸੁਣੋ,ਮੇਰੀ ਗੱਲ ਸੁਣੋ,ਮੈਨੂੰ ਬੋਲਣ ਦਿਓ,ਬੰਦ ਕਰੋ,ਸਟਾਪ,ਵੇਟ,\
                ruko,ruk jao,ruk,thehro,theharo,bas,bas karo,ikk minute,ik minute,ek minute,ikk mint,ik mint,ikk second,chup,chup karo,suno,meri gall suno,mainu bolan deo,band karo",
        beside: "ਵੀਰ,ਵੀਰ ਜੀ,ਭਾਜੀ,ਭੈਣ ਜੀ,ਜ਼ਰਾ,ਪਲੀਜ਼,ਯਾਰ,ਓਏ,ਨਾ,ਨਹੀਂ,ਪਹਿਲਾਂ,ਤਾਂ,veer,veerji,bhaji,paaji,zara,yaar,oye,na,nahi,pehlan",
    },
    Row {
        lang: Lang::Or,
        nods: "ହଁ,ହଁ ହଁ,ହଁ ଆଜ୍ଞା,ଆଜ୍ଞା,ହଉ,ହଉ ହଉ,ହୁଁ,ହୁମ୍,ଆଚ୍ଛା,ଠିକ୍,ଠିକ୍ ଅଛି,ଠିକ,ଠିକ ଅଛି,ଓକେ,କୁହନ୍ତୁ,କହନ୍ତୁ,ହଁ କୁହନ୍ତୁ,ବୁଝିଲି,ବୁଝିଗଲି,ଶୁଣୁଛି,ଏକଦମ୍,ସତ,ଭଲ,ହ୍ୟାଲୋ,ଓ,ଉଁ,\
               han,ha,haan,hau,hau hau,agyan,agya,aggya,accha,achha,thik,thik achi,thik achhi,kuhantu,kahantu,bujhili,bujhigali,sunuchi,ekdam,sata,bhala",
        stops: "ରୁହନ୍ତୁ,ରୁହ,ରହନ୍ତୁ,ରହ,ଟିକେ ରୁହନ୍ତୁ,ଟିକେ ରହନ୍ତୁ,ଅଟକନ୍ତୁ,ବନ୍ଦ କରନ୍ତୁ,ବାସ୍,ବାସ,ଗୋଟେ ମିନିଟ୍,ଗୋଟିଏ ମିନିଟ୍,ଏକ ମିନିଟ୍,ଏକ ମିନିଟ,ଗୋଟେ ସେକେଣ୍ଡ,ଶୁଣନ୍ତୁ,ଶୁଣ,ମୋ କଥା ଶୁଣନ୍ତୁ,ମୋତେ କହିବାକୁ ଦିଅନ୍ତୁ,ଚୁପ୍,ଚୁପ,ଚୁପ୍ ହୁଅନ୍ତୁ,ଷ୍ଟପ୍,\
                ruhantu,ruha,rahantu,tike ruhantu,tike rahantu,atakantu,banda karantu,bas,gote minute,gotie minute,ek minute,eka minute,sunantu,suna,mo katha sunantu,mote kahibaku diantu,chup",
        beside: "ଭାଇ,ଦିଦି,ସାର୍,ମ୍ୟାଡାମ୍,ଟିକେ,ପ୍ଲିଜ୍,ଆରେ,ତ,ନା,ଆଗ,bhai,didi,tike,are,na,aga",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use UtteranceClass::{Answer, Backchannel, Interrupt};

    #[test]
    fn nods_stops_and_answers_of_every_language() {
        for (lang, nods, stops, answers) in [
            (
                Lang::En,
                ["yes", "hmm hmm", "okay, go on"],
                ["stop", "wait wait", "one minute please"],
                ["I will pay tomorrow", "no", "what is the amount"],
            ),
            (
                Lang::Hi,
                ["हाँ", "जी जी", "haan haan theek hai"],
                ["रुको", "एक मिनट", "arre ruko ruko"],
                ["मैं कल भर दूँगा", "नहीं", "kitna dena hai"],
            ),
            (
                Lang::Ta,
                ["ஆமா", "சரி சரி", "seri sollunga"],
                ["நில்லுங்க", "ஒரு நிமிஷம்", "konjam irunga"],
                ["நாளைக்கு கட்டுறேன்", "இல்லை", "evlo kattanum"],
            ),
            (
                Lang::Te,
                ["అవును", "సరే", "avunu cheppandi"],
                ["ఆగండి", "ఒక్క నిమిషం", "aagandi aagandi"],
                ["రేపు కడతాను", "లేదు", "entha kattali"],
            ),
            (
                Lang::Ml,
                ["അതെ", "ഉം", "sheri sheri"],
                ["നിർത്തൂ", "ഒരു മിനിറ്റ്", "onnu nilkku"],
                ["നാളെ അടയ്ക്കാം", "വേണ്ട", "ethra adaykkanam"],
            ),
            (
                Lang::Kn,
                ["ಹೌದು", "ಸರಿ ಹೇಳಿ", "houdu houdu"],
                ["ನಿಲ್ಲಿ", "ಒಂದು ನಿಮಿಷ", "swalpa tadiri"],
                ["ನಾಳೆ ಕಟ್ತೀನಿ", "ಬೇಡ", "eshtu kattabeku"],
            ),
            (
                Lang::Gu,
                ["હા", "બરાબર છે", "ha ha thik che"],
                ["ઊભા રહો", "એક મિનિટ", "ek minute bhai"],
                ["કાલે ભરી દઈશ", "ના", "ketla paisa"],
            ),
            (
                Lang::Mr,
                ["हो", "बरं बरं", "ho barobar"],
                ["थांबा", "एक मिनिट", "jara thamba"],
                ["उद्या भरतो", "नको", "kiti paise"],
            ),
            (
                Lang::Bn,
                ["হ্যাঁ", "আচ্ছা ঠিক আছে", "accha accha"],
                ["থামুন", "একটু দাঁড়ান", "ektu daran"],
                ["কাল দিয়ে দেব", "না", "koto taka"],
            ),
            (
                Lang::Pa,
                ["ਹਾਂ ਜੀ", "ਠੀਕ ਹੈ", "haanji haanji"],
                ["ਰੁਕੋ", "ਇੱਕ ਮਿੰਟ", "ruko ji"],
                ["ਕੱਲ੍ਹ ਭਰ ਦਿਆਂਗਾ", "ਨਹੀਂ", "kinne paise"],
            ),
            (
                Lang::Or,
                ["ହଁ", "ହଉ ହଉ", "han han thik achi"],
                ["ରୁହନ୍ତୁ", "ଗୋଟେ ମିନିଟ୍", "tike ruhantu"],
                ["କାଲି ଦେଇଦେବି", "ନାହିଁ", "kete tanka"],
            ),
        ] {
            for (texts, expected) in [(nods, Backchannel), (stops, Interrupt), (answers, Answer)] {
                for text in texts {
                    assert_eq!(class(lang, text), expected, "{lang}: {text}");
                }
            }
        }
    }

    #[test]
    fn sounds_stop_nobody_and_sentences_are_answers() {
        for (lang, text, expected) in [
            (Lang::Hi, "", Backchannel),
            (Lang::Hi, "…", Backchannel),
            (Lang::Hi, "haaaaan", Backchannel),
            (Lang::Hi, "hmmmmmm", Backchannel),
            (Lang::Hi, "हाँ हाँ हाँ हाँ हाँ हाँ मैंने कहा ना", Answer),
            (Lang::Hi, "रुकिए मुझे कल शाम को पाँच बजे फ़ोन कीजिए", Answer),
            (Lang::Hi, "एक मिनट भाई साहब", Interrupt),
            (Lang::Hi, "bas karo yaar", Interrupt),
            (Lang::Ta, "சார் கொஞ்சம் நிறுத்துங்க", Interrupt),
        ] {
            assert_eq!(class(lang, text), expected, "{lang}: {text}");
        }
    }
}
