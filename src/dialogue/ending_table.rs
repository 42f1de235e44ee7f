//! The words and endings of every language by which a turn is known to be finished or not. Plain
//! data; `ending_words.rs` looks it up. Words stand in any spelling, they are folded before use.

use crate::base::Lang;

/// Lists of one language in one script; words are parted by spaces, phrases by commas.
pub(super) struct Source {
    /// More must follow a turn that ends in one of these: conjunctions, postpositions, pronouns.
    pub(super) open: &'static str,
    pub(super) open_endings: &'static str,
    /// Those of `open` that may also follow a finished sentence ("समझ गई मैं").
    pub(super) pronouns: &'static str,
    /// A turn that ends in one of these is finished (in English: the verbs of a sentence).
    pub(super) finite: &'static str,
    pub(super) finite_endings: &'static str,
    /// Words that follow a finished sentence.
    pub(super) particles: &'static str,
    /// Finished as a whole.
    pub(super) closed: &'static str,
    /// Said while thinking; phrases at the end of a turn.
    pub(super) hesitations: &'static str,
    pub(super) digits: &'static str,
    /// "double=2"
    pub(super) times: &'static str,
    pub(super) numbers: &'static str,
    pub(super) currency: &'static str,
    pub(super) days: &'static str,
    /// Words before a name; a turn of nothing else waits for the name.
    pub(super) introductions: &'static str,
}

pub(super) const NONE: Source = Source {
    open: "",
    open_endings: "",
    pronouns: "",
    finite: "",
    finite_endings: "",
    particles: "",
    closed: "",
    hesitations: "",
    digits: "",
    times: "",
    numbers: "",
    currency: "",
    days: "",
    introductions: "",
};

/// Language, its own script, the same in Latin letters.
#[rustfmt::skip]
pub(super) const TABLE: &[(Lang, Source, Source)] = &[
    (
        Lang::En,
        Source {
            open: "and or but because so if the a an my your our his her their its i we to of for with in on at from by as is are \
             was were am will would can could shall should have has had do does did very whose than into until till before \
             after",
            finite: "is are was were am will would can could shall should have has had do does did dont doesnt didnt cant wont isnt \
             im ill ive id thats whats paid pay call called tell speak say said want need give take send gave took got get \
             know understand connect repeat remove stop put help come came go went lost book change see think make made \
             remember hear heard check wait keep talk cut hang let leave please received sent charged deducted",
            particles: "please later now again today tomorrow back up off down me it you yes no there here already only too",
            closed: "thank you,thanks,thank you so much,thank you very much,bye,bye bye,goodbye,good morning,good evening,\
             good afternoon,good night,hello,hi,namaste,wrong number,not now,not interested,no problem,of course,never mind,\
             sorry,pardon,what,who,why,when,how much,how,which one,speak slowly,slowly,once more,one more time,again,\
             call back,call me,tell me,call later,later,tomorrow,today,nothing,nothing else,that is all,thats all",
            hesitations: "um,umm,uh,uhh,er,err,hmm like,you know,i mean,like,so basically,basically,actually,well,let me see,what is it,\
             how to say,the thing is",
            digits: "zero oh one two three four five six seven eight nine",
            times: "double=2 triple=3",
            numbers: "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty \
             sixty seventy eighty ninety hundred thousand lakh lakhs crore crores",
            currency: "rupees rupee rs paise only",
            days: "today tomorrow monday tuesday wednesday thursday friday saturday sunday january february march april may june \
             july august september october november december evening morning night week month end weekend tonight",
            introductions: "name is i'm am this speaking",
            ..NONE
        },
        NONE,
    ),
    (
        Lang::Hi,
        Source {
            open: "का की के को में से पर तक ने और या लेकिन मगर क्योंकि अगर कि जो जब तब वो वह यह ये मैं मैंने मेरा मेरी मेरे मुझे \
             आप आपका आपकी आपके हम हमारा हमारे इस उस एक बहुत लिए साथ जैसे फिर यानी मतलब वाला वाली वाले कोई इसका उसका इसकी \
             उसकी किसी अपना अपनी अपने जिस तो बाद",
            pronouns: "मैं मैंने मेरा मेरी मेरे मुझे आप आपका आपकी आपके हम हमारा हमारे यह ये वह वो को से में का की के तक वाला वाली \
             वाले बाद",
            open_endings: "कर",
            finite: "है हैं हूं था थे थी थीं चाहिए गया गए गई दिया दी दिए लिया ली किया हुआ हुई करो बोलो बताओ बोल दो लो जाओ रहा रहे \
             रही नहीं होगा होगी होंगे मिला मिली आया आई चुका चुकी पता कहा बोला सुना देना करना भेजा रखो आओ सुनो रुको हटाओ \
             निकालो समझा भरा लगा बंद हो धन्यवाद शुक्रिया नमस्ते कितना कितने कितनी कब कहां कौन",
            finite_endings: "एगा एगी एंगे ऊंगा ऊंगी ें ूंगा ूंगी ेंगे ेंगी ेगा ेगी ोगे ोगी इए िए िये ाओ िएगा ियेगा ाऊं ूं ता ती",
            particles: "क्या ना न जी ही अभी वापस आज कल",
            closed: "धन्यवाद,शुक्रिया,थैंक यू,थैंक्स,नमस्ते,नमस्कार,हैलो,बाय,बाय बाय,अलविदा,गलत नंबर,रॉन्ग नंबर,बाद में,अभी नहीं,\
             क्या,कौन,कब,क्यों,कितना,और कुछ नहीं,कोई बात नहीं,धीरे धीरे,फिर से,दोबारा,एक बार और,राम राम,गुड मॉर्निंग,कल,आज,\
             परसों,कुछ नहीं,बस इतना ही,आप कौन",
            hesitations: "मतलब,वो,अरे वो,क्या बोलते हैं,क्या कहते हैं,उम्म,उम,अम्म,हाँ वो,वो क्या है कि,यानी,बात यह है कि,अच्छा वो,\
             मतलब कि,देखिए,ऐसा है कि,एक्चुअली",
            digits: "शून्य जीरो ज़ीरो एक दो तीन चार पाँच पांच छह छः छै सात आठ नौ वन टू थ्री फोर फाइव सिक्स सेवन एट नाइन",
            times: "डबल=2 ट्रिपल=3",
            numbers: "दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस पच्चीस तीस चालीस पचास साठ सत्तर अस्सी नब्बे सौ \
             हजार हज़ार लाख करोड़ डेढ़ ढाई",
            currency: "रुपये रुपए रुपया रूपये पैसे",
            days: "आज कल परसों सोमवार मंगलवार बुधवार गुरुवार शुक्रवार शनिवार रविवार इतवार तारीख जनवरी फरवरी फ़रवरी मार्च अप्रैल \
             मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर शाम सुबह रात हफ़्ते महीने तक",
            introductions: "नाम है मेरा मैं",
        },
        Source {
            open: "ka ki ke ko mein me se par tak ne aur ya lekin magar kyunki kyonki agar jo jab woh wo yeh ye main maine mera \
             meri mere mujhe aap aapka aapki aapke hum is us ek bahut liye saath jaise phir fir matlab wala wali wale toh \
             to apna apni kisi baad",
            finite: "hai hain hoon hun tha the thi chahiye gaya gayi gaye diya di liya kiya hua hui karo bolo batao do lo jao raha \
             rahe rahi nahi nahin hoga hogi mila aaya chuka dunga dungi denge karunga karungi karenge jaunga boliye bataiye \
             kijiye dijiye sakta sakti sakte paunga aana karna dena kahan kab kaun kitna kitni kitne kya na bharunga \
             bharungi kariye chalega",
            finite_endings: "unga ungi enge ega egi iye iega ata ati",
            closed: "dhanyavaad,shukriya,namaste,galat number,baad mein,abhi nahi,kya,kaun,kitna,koi baat nahi,phir se,kal,aaj,\
             alvida,thank you,bye",
            hesitations: "matlab,woh,wo,umm,um,woh kya hai ki,yaani,arre woh,matlab ki,actually",
            digits: "ek do teen char chaar paanch panch chhe che saat aath nau shunya",
            numbers: "das bees pachas sau hazaar hazar lakh crore",
            currency: "rupaye rupay rupees paise",
            days: "aaj kal parso somvar mangalvar budhvar guruvar shukravar shanivar ravivar tareekh tarikh tak shaam subah",
            ..NONE
        },
    ),
    (
        Lang::Ta,
        Source {
            open: "மற்றும் ஆனா ஆனால் ஏன்னா அதனால என்னோட என் எனக்கு நான் நீங்க நாங்க உங்க உங்களோட அந்த இந்த ஒரு அது இது அப்புறம் \
             அப்ப என்கிட்ட கிட்ட பத்தி ரொம்ப கொஞ்சம் அதான் வந்து இல்லன்னா",
            pronouns: "நான் நீங்க நாங்க உங்க அது இது எனக்கு அப்ப",
            open_endings: "ோட ுடைய ன்னு க்கிட்ட ிட்டு ிருந்து ்டு",
            finite: "இருக்கு இல்லை இல்ல வேணும் வேண்டும் வேண்டாம் வேணாம் முடியாது முடியும் தெரியாது தெரியும் ஆச்சு போச்சு சொல்லுங்க \
             சொல்லு பேசலாம் புரியுது எவ்வளவு எப்ப யாரு என்னது எத்தனை எது போதும் தப்பு கஷ்டம் சரியில்லை கொடுங்க நன்றி \
             வணக்கம் இருக்கா ஆகும் வரும் எப்போ எப்படி பரவாயில்லை கிடையாது",
            finite_endings: "க்கும் க்கா றது ாரு ார் ேன் ோம் ாங்க ீங்க ுங்க ோங்க ேங்க ுது ுச்சு ாச்சு ணும் லாம் மா லை ாது ியும் ான் டும் \
             ாதீங்க றீங்களா ங்களா லையே ேனே ில்ல வா ்டா தான் யா லைங்க ட்டா",
            particles: "சார் தானே",
            closed: "நன்றி,ரொம்ப நன்றி,தேங்க்ஸ்,தேங்க் யூ,தேங்க்யூ,வணக்கம்,ஹலோ,பை,பை பை,ராங் நம்பர்,தவறான நம்பர்,தப்பான நம்பர்,\
             அப்புறம்,இப்ப வேண்டாம்,என்ன,யாரு,எப்ப,ஏன்,எவ்வளவு,ஒண்ணுமில்ல,ஒண்ணும் இல்லை,பரவாயில்லை,திரும்ப,மறுபடியும்,\
             மெதுவா,மெல்ல,நாளைக்கு,இன்னைக்கு,அவ்வளவுதான்,குட் மார்னிங்,எனக்கு வேண்டாம்",
            hesitations: "அது வந்து,வந்து,அதாவது,என்னன்னா,அதான்,ம்ம் அது,அப்புறம் அந்த,அது,இப்ப அது,இல்ல நான்,என்ன சொல்றது,உம்,அதான் அது",
            digits: "பூஜ்யம் பூஜ்ஜியம் சைபர் ஜீரோ ஒன்று ஒண்ணு ஒன்னு இரண்டு ரெண்டு மூன்று மூணு நான்கு நாலு ஐந்து அஞ்சு ஆறு ஏழு எட்டு \
             ஒன்பது ஒம்பது ஒன் டூ த்ரீ ஃபோர் ஃபைவ் சிக்ஸ் செவன் எய்ட் நைன்",
            times: "டபுள்=2 டிரிபிள்=3",
            numbers: "பத்து பதினொன்று பன்னிரண்டு பதினைந்து பதினஞ்சு இருபது இருபத்தஞ்சு முப்பது நாற்பது ஐம்பது அம்பது அறுபது எழுபது \
             எண்பது தொண்ணூறு நூறு இருநூறு ஐநூறு ஆயிரம் லட்சம் கோடி",
            currency: "ரூபாய் ரூபா ரூவா பைசா",
            days: "இன்னைக்கு இன்று நாளைக்கு நாளை நாளைக்கே திங்கள் திங்கட்கிழமை செவ்வாய் செவ்வாய்க்கிழமை புதன் புதன்கிழமை வியாழன் \
             வியாழக்கிழமை வெள்ளி வெள்ளிக்கிழமை சனி சனிக்கிழமை ஞாயிறு ஞாயித்துக்கிழமை ஞாயிற்றுக்கிழமை தேதி மறுநாள் ஜனவரி \
             பிப்ரவரி மார்ச் ஏப்ரல் மே ஜூன் ஜூலை ஆகஸ்ட் செப்டம்பர் அக்டோபர் நவம்பர் டிசம்பர் சாயந்திரம் காலையில ராத்திரி \
             வாரம் மாசம் கடைசியில",
            introductions: "பேர் பெயர் என் நான்",
        },
        Source {
            open: "matrum aana aanaal yenna ennoda en enakku enaku naan nan neenga unga andha intha antha indha oru athu adhu \
             apram appuram vandhu konjam romba kitta pathi",
            finite: "irukku iruku illa illai venum vendum vendam venam mudiyathu mudiyum theriyathu theriyum aachu pochu sollunga \
             sollu puriyuthu evlo eppo yaaru pothum podhum kudunga",
            finite_endings: "en om anga inga unga uthu udhu uchu achu num laam lam athu adhu iten itten uren",
            closed: "nandri,vanakkam,appuram,naalaiku,inniku",
            hesitations: "athu vandhu,vandhu,athavathu,ennanna",
            digits: "onnu rendu moonu naalu anju aaru ezhu ettu ombathu",
            numbers: "pathu nooru aayiram latcham",
            currency: "rubai rooba",
            days: "naalaiku nalaiku inniku naalai",
            ..NONE
        },
    ),
    (
        Lang::Te,
        Source {
            open: "మరియు కానీ కాని అయితే ఎందుకంటే నా నాకు నేను మా మాకు మీ మీరు మీకు ఆ ఈ ఒక లో కి కు తో నుంచి కోసం గురించి అంటే \
             చాలా కొంచెం ఆయన వాళ్ళు దాని తర్వాత అందుకే అది ఇది వరకు మరి",
            pronouns: "నేను నాకు మీరు మీకు మాకు అది ఇది మరి",
            open_endings: "తో నుంచి గురించి కోసం యొక్క ంటే కుండా",
            finite: "ఉంది ఉన్నాయి లేదు లేవు కాదు వద్దు కావాలి ఇవ్వండి చేయండి చెప్పండి ఎంత ఎప్పుడు ఎక్కడ ఎవరు ఏంటి ఏమిటి తెలుసు \
             తెలియదు కుదరదు చాలు పోయింది రాదు అయిపోయింది సరిపోతుంది తప్పు ఎన్ని ఉన్నా ఉన్నాను ఏది ధన్యవాదాలు థ్యాంక్స్ \
             థాంక్స్ ఇష్టం",
            finite_endings: "ాను ాము ారు ాడు ాం ండి ింది ాలి ాయి తా లేను లేదు లేరు రాదు ారా లరా దా వా ాదు ొచ్చా ొచ్చు కండి తారా స్తా ందా \
             ొద్దు ుతుంది ట్లేదు ేశాను శా నా తున్నా",
            particles: "కదా అండి గా",
            closed: "ధన్యవాదాలు,థాంక్యూ,థాంక్స్,నమస్కారం,నమస్తే,హలో,బై,బై బై,రాంగ్ నంబర్,తప్పు నంబర్,తర్వాత,ఇప్పుడు వద్దు,ఏంటి,ఎవరు,\
             ఎప్పుడు,ఎందుకు,ఎంత,ఏం లేదు,పర్వాలేదు,మళ్ళీ,ఇంకోసారి,నెమ్మదిగా,మెల్లగా,రేపు,ఈరోజు,ఎల్లుండి,అంతే,గుడ్ మార్నింగ్",
            hesitations: "అది మరి,అదే,అంటే,మరి,ఏమంటే,తర్వాత ఆ,ఊఁ అది,ఇప్పుడది,అదే కదా,ఏమో,ఉమ్,కాదు నేను,తర్వాత ఆ ఇదీ",
            digits: "సున్నా జీరో ఒకటి ఒక్కటి రెండు మూడు నాలుగు ఐదు అయిదు ఆరు ఏడు ఎనిమిది తొమ్మిది వన్ టూ త్రీ ఫోర్ ఫైవ్ సిక్స్ \
             సెవెన్ ఎయిట్ నైన్",
            times: "డబుల్=2 ట్రిపుల్=3",
            numbers: "పది పదకొండు పన్నెండు పదిహేను ఇరవై ముప్పై నలభై యాభై అరవై డెబ్బై ఎనభై తొంభై వంద వందల నూరు వెయ్యి వేలు వేల లక్ష \
             లక్షలు కోటి",
            currency: "రూపాయలు రూపాయి రూపాయల పైసలు",
            days: "ఈరోజు ఇవాళ రేపు ఎల్లుండి సోమవారం మంగళవారం బుధవారం గురువారం శుక్రవారం శనివారం ఆదివారం తేదీ తారీఖు తేదీన జనవరి \
             ఫిబ్రవరి మార్చి ఏప్రిల్ మే జూన్ జూలై ఆగస్టు సెప్టెంబర్ అక్టోబర్ నవంబర్ డిసెంబర్ సాయంత్రం పొద్దున రాత్రి వారం \
             నెల లోపు నెలాఖరులోపు",
            introductions: "పేరు నా నేను",
        },
        Source {
            open: "mariyu kani kaani ayithe endukante naa naku naaku nenu maa mee meeru aa ee oka lo ki ku tho nunchi kosam \
             gurinchi ante chala konchem tarvata adi mari",
            finite: "undi unnayi ledu levu kadu kaadu vaddu kavali ivvandi cheyandi cheppandi entha eppudu ekkada evaru enti telusu \
             teliyadu chalu raadu poyindi",
            finite_endings: "anu amu aru andi indi ali ayi tha ledu lenu ara occha adu",
            closed: "dhanyavadalu,namaskaram,tarvata,repu,eeroju",
            hesitations: "adi mari,ante,mari",
            digits: "okati rendu moodu mudu nalugu aidu aaru edu enimidi tommidi",
            numbers: "padi vanda veyyi laksha",
            currency: "rupayalu",
            days: "repu eeroju ellundi",
            ..NONE
        },
    ),
    (
        Lang::Ml,
        Source {
            open: "പിന്നെ എന്റെ എനിക്ക് ഞാൻ ഞങ്ങൾ ഞങ്ങളുടെ നിങ്ങൾ നിങ്ങളുടെ ആ ഈ ഒരു പക്ഷേ പക്ഷെ കാരണം അതുകൊണ്ട് എന്നാൽ അല്ലെങ്കിൽ \
             അത് ഇത് അപ്പോൾ വളരെ കുറച്ച് അവരുടെ എന്നെ വേണ്ടി വഴി കൂടെ പറ്റി ഒന്ന് മറ്റേ",
            pronouns: "ഞാൻ എനിക്ക് ഞങ്ങൾ നിങ്ങൾ അത് ഇത് എന്നാൽ",
            open_endings: "ുടെ ന്റെ യുടെ ാൻ ിട്ട് ച്ച് കൊണ്ട് ിൽനിന്ന് ോട് ുള്ള",
            finite: "ഉണ്ട് ഇല്ല അല്ല വേണ്ട വേണം ആണ് മതി പറ്റില്ല പറയൂ തരൂ എത്ര എപ്പോൾ എവിടെ ആര് ആരാ എന്താ എന്താണ് ഏതാ പോയി ആയി \
             അറിയില്ല അറിയാം കേട്ടില്ല തെറ്റാണ് എത്രയാ കിട്ടി തീർന്നു വിളിക്ക് നിർത്തൂ മോശമാണ് എന്തിനാ എപ്പോഴാ എവിടെയാ \
             നന്ദി ആണോ കഴിഞ്ഞു പറഞ്ഞു",
            finite_endings: "്ഞു ന്നോ ന്നത് ിച്ചോ ുക ാം ും ച്ചു ന്നു ട്ടു ത്തു ണ്ട് ില്ല ൂ ണം ണ്ട ാണ് ാണോ ാമോ ുമോ ട്ടെ രുത് ല്ലോ യാ ല്ലേ \
             ല്ല ായി ിയോ ിയാ ണ്ടോ ാലോ ട്ടോ ിക്ക് യാണ് താണ് രേ ക്കി ങ്ങി ി",
            particles: "കേട്ടോ അല്ലേ ഇപ്പോൾ",
            closed: "നന്ദി,വളരെ നന്ദി,താങ്ക്യൂ,താങ്ക്സ്,താങ്ക് യൂ,നമസ്കാരം,നമസ്തേ,ഹലോ,ബൈ,ബൈ ബൈ,റോങ് നമ്പർ,തെറ്റായ നമ്പർ,പിന്നെ,\
             പിന്നീട്,ഇപ്പോൾ വേണ്ട,എന്ത്,എന്താ,ആര്,ആരാ,എപ്പോൾ,എന്തിനാ,എത്ര,ഒന്നുമില്ല,കുഴപ്പമില്ല,സാരമില്ല,വീണ്ടും,\
             ഒന്നുകൂടി,പതുക്കെ,മെല്ലെ,നാളെ,ഇന്ന്,മറ്റന്നാൾ,അത്രേയുള്ളൂ,സുപ്രഭാതം",
            hesitations: "അത് പിന്നെ,അത്,പിന്നെ,എന്താന്ന് വെച്ചാൽ,അതായത്,ഉം അത്,പിന്നെ മറ്റേ,മറ്റേ,അല്ല ഞാൻ,അത് ഇപ്പോ,എന്തോ,ആ അതല്ലേ,ഏ,\
             ഉം",
            digits: "പൂജ്യം സീറോ ഒന്ന് രണ്ട് മൂന്ന് നാല് അഞ്ച് ആറ് ഏഴ് എട്ട് ഒമ്പത് ഒൻപത് വൺ ടു ത്രീ ഫോർ ഫൈവ് സിക്സ് സെവൻ എയ്റ്റ് \
             നയൻ",
            times: "ഡബിൾ=2 ട്രിപ്പിൾ=3",
            numbers: "പത്ത് പതിനൊന്ന് പന്ത്രണ്ട് പതിനഞ്ച് ഇരുപത് മുപ്പത് നാല്പത് അമ്പത് അറുപത് എഴുപത് എൺപത് തൊണ്ണൂറ് നൂറ് ഇരുനൂറ് \
             അഞ്ഞൂറ് ആയിരം രണ്ടായിരം അയ്യായിരം പതിനായിരം ലക്ഷം കോടി",
            currency: "രൂപ രൂപയാണ് രൂപാ പൈസ",
            days: "ഇന്ന് നാളെ മറ്റന്നാൾ തിങ്കൾ തിങ്കളാഴ്ച ചൊവ്വാഴ്ച ബുധനാഴ്ച വ്യാഴാഴ്ച വെള്ളിയാഴ്ച ശനിയാഴ്ച ഞായറാഴ്ച തീയതി തിയതി \
             ജനുവരി ഫെബ്രുവരി മാർച്ച് ഏപ്രിൽ മേയ് ജൂൺ ജൂലൈ ഓഗസ്റ്റ് സെപ്റ്റംബർ ഒക്ടോബർ നവംബർ ഡിസംബർ വൈകുന്നേരം രാവിലെ \
             രാത്രി ആഴ്ച മാസം അവസാനം മാസാവസാനം",
            introductions: "പേര് എന്റെ ഞാൻ",
        },
        Source {
            open: "pinne ente enikku enikk njan njangal ningal ningalude aa ee oru pakshe karanam athukondu ennal athu ithu appol \
             valare kurachu",
            finite: "undu und illa alla venda venam aanu anu mathi pattilla parayu tharu ethra eppol evide aaru aara entha poyi \
             aayi ariyilla ariyam thettanu",
            finite_endings: "am um chu nnu ttu undu illa oo anam enam anu ano amo umo tte ruthu allo alle ayi",
            closed: "nanni,namaskaram,pinne,nale,innu",
            hesitations: "athu pinne,athu,pinne,athayathu",
            digits: "onnu randu moonnu naalu anju aaru ezhu ettu ombathu",
            numbers: "pathu nooru aayiram laksham",
            currency: "roopa rupa",
            days: "nale innu mattannal",
            ..NONE
        },
    ),
    (
        Lang::Kn,
        Source {
            open: "ಮತ್ತು ಆದರೆ ಆದ್ರೆ ಯಾಕಂದ್ರೆ ಯಾಕೆಂದರೆ ನನ್ನ ನನಗೆ ನಾನು ನಮ್ಮ ನೀವು ನಿಮ್ಮ ನಿಮಗೆ ಆ ಈ ಒಂದು ಅಂದ್ರೆ ಅಂದರೆ ತುಂಬಾ ಸ್ವಲ್ಪ ಅದು \
             ಇದು ಆಮೇಲೆ ಅಥವಾ ಅವರ ಅದಕ್ಕೆ ಬಗ್ಗೆ ಜೊತೆ ಹತ್ರ ಮೇಲೆ",
            pronouns: "ನಾನು ನನಗೆ ನೀವು ನಿಮಗೆ ಅದು ಇದು ನನ್ನ",
            open_endings: "ನ್ನು ಿಂದ ಗಾಗಿ ದ್ರೆ ೋಕೆ",
            finite: "ಇದೆ ಇಲ್ಲ ಅಲ್ಲ ಬೇಡ ಬೇಕು ಆಯ್ತು ಆಗಲ್ಲ ಗೊತ್ತಿಲ್ಲ ಹೇಳಿ ಮಾಡಿ ಕೊಡಿ ಎಷ್ಟು ಯಾವಾಗ ಎಲ್ಲಿ ಯಾರು ಏನು ಸಾಕು ತಪ್ಪು ಕಟ್ಟಿದೆ \
             ಮಾಡಿದೆ ತೆಗೀರಿ ನಿಲ್ಲಿಸಿ ಬಿಡಿ ಇಡಿ ಕಳಿಸಿ ಬದಲಾಯಿಸಿ ಮಾತಾಡಿ ಕೇಳಿ ಎಷ್ಟಿದೆ ಯಾವುದು ಮಾಡೋಣ ಇದ್ದೀನಿ ಆಗುತ್ತಾ ಧನ್ಯವಾದ \
             ಧನ್ಯವಾದಗಳು ಬಂತು ಬಂದೆ ಹೇಗೆ ಕಷ್ಟ",
            finite_endings: "ದ್ರು ್ರಾ ೆಯಾ ಾರಾ ತ್ತು ್ದೀವಿ ೀನಿ ೇನೆ ೀರಾ ತ್ತೆ ತ್ತಾ ಬೇಕು ಬಹುದು ಬಹುದಾ ಲ್ಲ ಿದೆ ಾರೆ ೋಣ ಯಿತು ಾಯ್ತು ರಿ ಬೇಡಿ ಬೇಡ \
             ೀನಲ್ಲಾ ್ವಿ ಿದ್ದೆ ಿಲ್ಲ ಾಳೆ ಾನೆ ಬೇಕಾ ್ಲಾ ಡಿ ೋದು ್ದೀನಿ ತಾ ೋಯ್ತು ಿದ್ರಿ",
            particles: "ಅಲ್ವಾ ರೀ ಈಗ ತಾನೇ",
            closed: "ಧನ್ಯವಾದ,ಧನ್ಯವಾದಗಳು,ಥ್ಯಾಂಕ್ಸ್,ಥ್ಯಾಂಕ್ಯೂ,ಥ್ಯಾಂಕ್ ಯು,ನಮಸ್ಕಾರ,ಹಲೋ,ಬೈ,ಬೈ ಬೈ,ರಾಂಗ್ ನಂಬರ್,ತಪ್ಪು ನಂಬರ್,ಆಮೇಲೆ,ಈಗ ಬೇಡ,\
             ಏನು,ಯಾರು,ಯಾವಾಗ,ಯಾಕೆ,ಎಷ್ಟು,ಏನಿಲ್ಲ,ಏನೂ ಇಲ್ಲ,ಪರವಾಗಿಲ್ಲ,ಮತ್ತೆ,ಇನ್ನೊಮ್ಮೆ,ಇನ್ನೊಂದು ಸಲ,ನಿಧಾನ,ನಿಧಾನವಾಗಿ,ನಾಳೆ,ಇವತ್ತು,\
             ನಾಡಿದ್ದು,ಅಷ್ಟೇ,ಶುಭೋದಯ",
            hesitations: "ಅದು ಬಂದು,ಅದು,ಅಂದ್ರೆ,ಅದೇ,ಅದೇ ಅದು,ಏನಂದ್ರೆ,ಆಮೇಲೆ ಆ,ಈಗ ಅದು,ಉಂ ಅದು,ಇಲ್ಲ ನಾನು,ಆಮೇಲೆ ಆ ಇದು,ಏನೋ",
            digits: "ಸೊನ್ನೆ ಜೀರೋ ಒಂದು ಎರಡು ಮೂರು ನಾಲ್ಕು ಐದು ಆರು ಏಳು ಎಂಟು ಒಂಬತ್ತು ವನ್ ಟೂ ತ್ರೀ ಫೋರ್ ಫೈವ್ ಸಿಕ್ಸ್ ಸೆವೆನ್ ಎಯ್ಟ್ ನೈನ್",
            times: "ಡಬಲ್=2 ಟ್ರಿಪಲ್=3",
            numbers: "ಹತ್ತು ಹನ್ನೊಂದು ಹನ್ನೆರಡು ಹದಿನೈದು ಇಪ್ಪತ್ತು ಮೂವತ್ತು ನಲವತ್ತು ಐವತ್ತು ಅರವತ್ತು ಎಪ್ಪತ್ತು ಎಂಬತ್ತು ತೊಂಬತ್ತು ನೂರು ಸಾವಿರ \
             ಲಕ್ಷ ಕೋಟಿ",
            currency: "ರೂಪಾಯಿ ರೂಪಾಯಿಗಳು ಪೈಸೆ",
            days: "ಇವತ್ತು ಇಂದು ನಾಳೆ ನಾಡಿದ್ದು ಸೋಮವಾರ ಮಂಗಳವಾರ ಬುಧವಾರ ಗುರುವಾರ ಶುಕ್ರವಾರ ಶನಿವಾರ ಭಾನುವಾರ ತಾರೀಖು ತಾರೀಕು ದಿನಾಂಕ ಜನವರಿ \
             ಫೆಬ್ರವರಿ ಮಾರ್ಚ್ ಏಪ್ರಿಲ್ ಮೇ ಜೂನ್ ಜುಲೈ ಆಗಸ್ಟ್ ಸೆಪ್ಟೆಂಬರ್ ಅಕ್ಟೋಬರ್ ನವೆಂಬರ್ ಡಿಸೆಂಬರ್ ಸಂಜೆ ಬೆಳಿಗ್ಗೆ ರಾತ್ರಿ ವಾರ \
             ತಿಂಗಳು ಒಳಗೆ ಕೊನೆಗೆ",
            introductions: "ಹೆಸರು ನನ್ನ ನಾನು",
        },
        Source {
            open: "mattu adare aadre adre yakandre nanna nanage nange naanu nanu nimma neevu aa ee ondu andre tumba swalpa adu \
             idu amele bagge jote",
            finite: "ide idhe illa alla beda beku aytu aagalla agalla gottilla heli maadi madi kodi eshtu yavaga elli yaaru enu \
             saaku saku tappu",
            finite_endings: "ini eeni ene ira tte tta beku bahudu lla are ona aytu iddini tini thini",
            closed: "dhanyavada,namaskara,amele,naale,ivattu",
            hesitations: "adu bandu,andre,ade",
            digits: "ondu eradu mooru nalku aidu aaru elu entu ombattu",
            numbers: "hattu nooru savira laksha",
            currency: "rupayi",
            days: "naale ivattu nadiddu",
            ..NONE
        },
    ),
    (
        Lang::Gu,
        Source {
            open: "અને પણ પરંતુ કારણકે કારણ જો તો હું મારો મારી મારું મારા મારે મને અમે અમારી તમે તમારી તમારો તમારું આ એ પેલું \
             પેલો માટે સાથે ઉપર એક બહુ એટલે જે જ્યારે મેં નો ની નું વાળું વાળી પછી",
            pronouns: "હું મારો મારી મારું મારા મારે મને અમે તમે તમારી તમારો તમારું આ એ મેં પછી",
            open_endings: "ના ની નો નું માટે",
            finite: "છે છું છો છીએ હતો હતી હતું હતા નથી નહીં થયું થયો ગયો ગયું ગઈ ગયા કર્યું કર્યો કર્યા આપો કરો બોલો કહો જોઈએ \
             જોઈતું દો થશે ચાલશે ભર્યા ભર્યો આવ્યો આવી આવ્યું આવ્યા દીધા દીધું દીધી મળી મળ્યો ના હા ભરો રાખો જાઓ સાંભળો \
             મોકલો કાઢો લો કેટલા કેટલો કેટલું ક્યારે ક્યાં કોણ શું કરવી કરવું કરવો ખબર બદલો સમજાયું ખોટું ફાવે આભાર ધન્યવાદ \
             દઈશ દઈશું કરાવો નાખો શકું શકે ચાલે હોય",
            finite_endings: "ીશ ીશું શો શે જો યો યું ીએ ાય ઉં તો તી તું તા ળો",
            particles: "ને કે ખરું હમણાં પાછું ભાઈ",
            closed: "આભાર,ધન્યવાદ,થેંક યુ,થેંક્સ,નમસ્તે,હેલો,બાય,આવજો,જય શ્રી કૃષ્ણ,ખોટો નંબર,રોંગ નંબર,પછી,હમણાં નહીં,શું,કોણ,\
             ક્યારે,કેમ,કેટલા,કંઈ નહીં,વાંધો નહીં,ફરીથી,ધીમે,ધીમે ધીમે,કાલે,આજે,પરમ દિવસે,બસ આટલું જ",
            hesitations: "એટલે કે,એટલે,અરે પેલું,શું કહેવાય,ઉમ્મ,અમ્મ,મતલબ,શું એ,એ તો,જાણે",
            digits: "શૂન્ય ઝીરો એક બે ત્રણ ચાર પાંચ છ સાત આઠ નવ વન ટુ થ્રી ફોર ફાઇવ સિક્સ સેવન એઇટ નાઇન",
            times: "ડબલ=2 ટ્રિપલ=3",
            numbers: "દસ અગિયાર બાર તેર ચૌદ પંદર વીસ પચીસ ત્રીસ ચાલીસ પચાસ સાઠ સિત્તેર એંસી નેવું સો હજાર લાખ કરોડ દોઢ અઢી",
            currency: "રૂપિયા રૂપિયો પૈસા",
            days: "આજે આજ કાલે કાલ પરમદિવસે સોમવાર સોમવારે મંગળવાર મંગળવારે બુધવાર બુધવારે ગુરુવાર ગુરુવારે શુક્રવાર શુક્રવારે \
             શનિવાર શનિવારે રવિવાર રવિવારે તારીખ તારીખે જાન્યુઆરી ફેબ્રુઆરી માર્ચ એપ્રિલ મે જૂન જુલાઈ ઑગસ્ટ સપ્ટેમ્બર \
             ઑક્ટોબર નવેમ્બર ડિસેમ્બર સાંજે સવારે રાત્રે અઠવાડિયે મહિને સુધી સુધીમાં",
            introductions: "નામ છે મારું હું",
        },
        Source {
            open: "ane pan karan jo to hu maro mari maru mane ame tame tamari aa e mate sathe ek etle",
            finite: "che chhe chu chhu cho nathi hato hati gayo gayu gayi karo bolo kaho joie joiye apo thase chalse karish bharish \
             didha didhu nahi na",
            finite_endings: "ish ishu sho she jo",
            closed: "aabhar,pachi,kale,aaje",
            hesitations: "etle,etle ke,matlab",
            digits: "ek be tran char panch chha sat aath nav",
            numbers: "das so hajar lakh",
            currency: "rupiya paisa",
            days: "aaje kale",
            ..NONE
        },
    ),
    (
        Lang::Mr,
        Source {
            open: "आणि पण किंवा तर कारण म्हणून म्हणजे की जर मी माझा माझी माझं माझे माझ्या मला आम्ही आमच्या तुम्ही तुमच्या तुमचा \
             तुमची हा ही हे ते तो ती त्या या एक साठी मध्ये वर पर्यंत पासून कडे कडून सोबत बद्दल खूप ज्या जे जो जेव्हा असं",
            pronouns: "मी माझा माझी माझं माझे मला आम्ही तुम्ही तुमचा तुमची हा ही हे ते तो ती तर कडून साठी पर्यंत",
            open_endings: "च्या ाचा ाची ाचे ाचं ंचा ंची ंचे मध्ये साठी पासून कडून बद्दल ऊन",
            finite: "आहे आहेत आहात आहेस होता होती होते होतं होय नाही नाहीत नको झाला झाली झाले झालं केलं केला केली केले दिलं दिले \
             दिला दिली भरले भरलं भरला आलं आला आली गेलं गेला गेली गेले पाहिजे हवं हवी हवा चालेल द्या करा सांगा बोला थांबा \
             पाठवा समजलं किती कधी कुठे कोण काय नका धन्यवाद नमस्कार होईल येईल जाईल टाका असतं घ्या या जोडा काढा लावा ठेवा \
             बदला",
            finite_endings: "तो ते ताय तोय तेय णार ईन ेन ेल ील तील शील ूया लं लंय लाय लीय यचं यचंय यचे यची झालंय तात शकत येत जमत",
            particles: "का ना हो आत्ता नंतर परत",
            closed: "धन्यवाद,थँक्यू,थँक यू,थँक्स,नमस्कार,हॅलो,बाय,बाय बाय,चुकीचा नंबर,राँग नंबर,नंतर,आत्ता नको,काय,कोण,कधी,का,किती,\
             काही नाही,पुन्हा,परत,हळू,हळूहळू,उद्या,आज,परवा,बस एवढंच,राम राम,गुड मॉर्निंग",
            hesitations: "म्हणजे,म्हणजे की,अरे ते,ते,काय ते,अं,उम्म,बरं ते जे,हे आपलं,तसं नाही म्हणजे,काय म्हणतात",
            digits: "शून्य झिरो एक दोन तीन चार पाच सहा सात आठ नऊ वन टू थ्री फोर फाइव्ह सिक्स सेव्हन एट नाइन",
            times: "डबल=2 ट्रिपल=3",
            numbers: "दहा अकरा बारा तेरा चौदा पंधरा वीस पंचवीस तीस चाळीस पन्नास साठ सत्तर ऐंशी नव्वद शंभर शे हजार लाख कोटी दीड अडीच",
            currency: "रुपये रुपय रुपया पैसे",
            days: "आज उद्या परवा सोमवार सोमवारी मंगळवार मंगळवारी बुधवार बुधवारी गुरुवार गुरुवारी शुक्रवार शुक्रवारी शनिवार \
             शनिवारी रविवार रविवारी तारीख तारखेला जानेवारी फेब्रुवारी मार्च एप्रिल मे जून जुलै ऑगस्ट सप्टेंबर ऑक्टोबर \
             नोव्हेंबर डिसेंबर संध्याकाळी सकाळी रात्री आठवड्यात महिन्यात पर्यंत",
            introductions: "नाव आहे माझं माझे मी",
        },
        Source {
            open: "ani aani pan kinva tar karan mhanun mhanje mi mee maza mazi majha majhi mazya mala amhi tumhi tumcha ha hi te \
             to ti ek sathi madhe",
            finite: "aahe ahe aahet ahet nahi nahit nako hota hoti zala zali jhala kela keli dila dili bharle aala aali gela gele \
             pahije chalel dya kara sanga bola thamba pathva kiti kadhi kuthe kon kay ka",
            finite_endings: "to te toy tey nar en el il",
            closed: "dhanyavad,namaskar,nantar,udya,aaj",
            hesitations: "mhanje,are te,umm",
            digits: "ek don teen char pach saha sat aath nau",
            numbers: "daha shambhar hajar lakh",
            currency: "rupaye paise",
            days: "aaj udya parva",
            ..NONE
        },
    ),
    (
        Lang::Bn,
        Source {
            open: "এবং আর কিন্তু কারণ যদি যে বা অথবা আমি আমার আমাকে আমাদের আপনি আপনার আপনাদের এই ওই একটা একটু থেকে জন্য সঙ্গে \
             সাথে কাছে পর্যন্ত মানে খুব যখন তবে যেটা সেটা এটা নিয়ে দিয়ে করে গিয়ে আমরা এর ওর তাই",
            pronouns: "আমি আমার আমাকে আমাদের আপনি আপনার আপনাদের আমরা এটা সেটা করে তাই",
            open_endings: "ের য়ের টার গুলোর দের",
            finite: "আছে আছি আছেন নেই নয় হবে হয়েছে হল হলো হয় করুন বলুন দিন দেব দেবো করব যাবে গেছে না নিন কত কবে কোথায় কে কী কি \
             কেন চাই চাইনা পাইনি করিনি নিইনি জানি থাক লাগবে হচ্ছে করছি পারি যায় শুনুন কটা বলো ধন্যবাদ নমস্কার গেল লাগে \
             দেয় করেন",
            finite_endings: "ছি ছে ছেন বেন বে বো ব লাম লেন িনি ুন তাম ান য়নি য়েছি য়েছে",
            particles: "কি নাকি তো না প্লিজ এখন পরে যেন",
            closed: "ধন্যবাদ,থ্যাঙ্ক ইউ,থ্যাংক ইউ,নমস্কার,হ্যালো,বাই,টাটা,ভুল নম্বর,রং নম্বর,পরে,এখন না,কী,কে,কবে,কেন,কত,কিছু না,\
             কোনো ব্যাপার না,আবার,আর একবার,আস্তে,আস্তে আস্তে,কাল,আজ,পরশু,ব্যস এইটুকুই,শুভ রাত্রি",
            hesitations: "মানে,ইয়ে মানে,ইয়ে,উম,উঁ,হ্যাঁ মানে আসলে,আসলে,ওই যে,ওই,কী যেন,কী বলে,না মানে,ব্যাপারটা হল গিয়ে,উঁ কী যেন",
            digits: "শূন্য জিরো এক দুই দু তিন চার পাঁচ ছয় ছ সাত আট নয় ওয়ান টু থ্রি ফোর ফাইভ সিক্স সেভেন এইট নাইন",
            times: "ডবল=2 ট্রিপল=3",
            numbers: "দশ এগারো বারো তেরো চোদ্দ পনেরো কুড়ি বিশ পঁচিশ তিরিশ ত্রিশ চল্লিশ পঞ্চাশ ষাট সত্তর আশি নব্বই শো একশো হাজার লাখ \
             লক্ষ কোটি দেড় আড়াই",
            currency: "টাকা টাকার রুপি পয়সা",
            days: "আজ কাল পরশু আগামীকাল সোমবার মঙ্গলবার বুধবার বৃহস্পতিবার শুক্রবার শনিবার রবিবার তারিখ তারিখে জানুয়ারি \
             ফেব্রুয়ারি মার্চ এপ্রিল মে জুন জুলাই আগস্ট সেপ্টেম্বর অক্টোবর নভেম্বর ডিসেম্বর সন্ধেবেলা সকালে রাতে বিকেলে \
             সপ্তাহে মাসে মধ্যে",
            introductions: "নাম হল আমার আমি",
        },
        Source {
            open: "ebong ar kintu karon jodi je ba ami amar amake apni apnar ei oi ekta ektu theke jonno songe sathe kache mane \
             khub",
            finite: "ache achhe achi nei noy hobe hoyeche holo korun bolun din debo korbo jabe geche na nin koto kobe kothay ke ki \
             keno chai lagbe hocche diyechi korechi parbo jani",
            finite_endings: "chi che chen ben bo lam un",
            closed: "dhonnobad,pore,kal,aaj",
            hesitations: "mane,iye,asole",
            digits: "ek dui tin char panch chhoy sat aat noy",
            numbers: "dosh sho hajar lakh",
            currency: "taka",
            days: "aaj kal porshu",
            ..NONE
        },
    ),
    (
        Lang::Pa,
        Source {
            open: "ਦਾ ਦੀ ਦੇ ਨੂੰ ਵਿੱਚ ਵਿਚ ਤੋਂ ਤੇ ਅਤੇ ਪਰ ਜਾਂ ਕਿਉਂਕਿ ਜੇ ਕਿ ਮੈਂ ਮੇਰਾ ਮੇਰੀ ਮੇਰੇ ਮੈਨੂੰ ਤੁਸੀਂ ਤੁਹਾਡਾ ਤੁਹਾਡੀ ਅਸੀਂ ਸਾਡਾ \
             ਨਾਲ ਲਈ ਇਹ ਉਹ ਇੱਕ ਬਹੁਤ ਜਿਹੜਾ ਜਿਹੜੀ ਵਾਲਾ ਵਾਲੀ ਮਤਲਬ ਫਿਰ ਤਾਂ ਕੇ",
            pronouns: "ਮੈਂ ਮੇਰਾ ਮੇਰੀ ਮੇਰੇ ਮੈਨੂੰ ਤੁਸੀਂ ਤੁਹਾਡਾ ਤੁਹਾਡੀ ਅਸੀਂ ਇਹ ਉਹ ਤੋਂ ਵਾਲਾ ਕੇ",
            finite: "ਹੈ ਹਨ ਹਾਂ ਹੋ ਨੇ ਸੀ ਸਨ ਨਹੀਂ ਗਿਆ ਗਈ ਗਏ ਦਿੱਤਾ ਦਿੱਤੀ ਦਿੱਤੇ ਕੀਤਾ ਕੀਤੀ ਕੀਤੇ ਚਾਹੀਦਾ ਚਾਹੀਦੀ ਚਾਹੀਦੇ ਕਰੋ ਬੋਲੋ ਦੱਸੋ ਦਿਓ \
             ਲਓ ਜਾਓ ਰਿਹਾ ਰਹੀ ਰਹੇ ਹੋਣਾ ਕਰਨਾ ਕਰਨੀ ਦੇਣਾ ਲੈਣਾ ਮਿਲਿਆ ਆਇਆ ਆਈ ਕਿਹਾ ਸੁਣਿਆ ਭਰੀ ਭਰੇ ਪਤਾ ਕਿੰਨਾ ਕਿੰਨੇ ਕਿੰਨੀ ਕਦੋਂ ਕਿੱਥੇ \
             ਕੌਣ ਕੀ ਕਰਿਓ ਕੱਟੋ ਕੱਢੋ ਰੁਕੋ ਸੁਣੋ ਆਉਣਾ ਜਾਣਾ ਜਾਊ ਧੰਨਵਾਦ ਸ਼ੁਕਰੀਆ ਆਉਂਦੀ ਆਉਂਦਾ ਮਿਲੀ ਭੇਜੋ ਹੋਇਆ ਹੋਈ",
            finite_endings: "ਆਂਗਾ ਆਂਗੀ ਆਂਗੇ ਾਂਗਾ ਾਂਗੀ ਾਂਗੇ ੇਗਾ ੇਗੀ ਣਗੇ ੋਗੇ ੋਗੀ ਿਓ ਾਓ ਇਓ ਊਂਗਾ ਊਂਗੀ ਿਆ ਸਕਦਾ ਸਕਦੀ ਸਕਦੇ ਦਾਂ ਣਾ ਣੀ",
            particles: "ਜੀ ਨਾ ਕੀ ਹੁਣ ਫਿਰ",
            closed: "ਧੰਨਵਾਦ,ਸ਼ੁਕਰੀਆ,ਮਿਹਰਬਾਨੀ,ਥੈਂਕ ਯੂ,ਸਤ ਸ੍ਰੀ ਅਕਾਲ,ਸਤਿ ਸ੍ਰੀ ਅਕਾਲ,ਹੈਲੋ,ਬਾਏ,ਗਲਤ ਨੰਬਰ,ਗ਼ਲਤ ਨੰਬਰ,ਰੌਂਗ ਨੰਬਰ,ਬਾਅਦ ਵਿੱਚ,\
             ਹਾਲੇ ਨਹੀਂ,ਹੁਣ ਨਹੀਂ,ਕੀ,ਕੌਣ,ਕਦੋਂ,ਕਿਉਂ,ਕਿੰਨਾ,ਕੋਈ ਗੱਲ ਨਹੀਂ,ਕੁਝ ਨਹੀਂ,ਫਿਰ ਤੋਂ,ਦੁਬਾਰਾ,ਹੌਲੀ,ਹੌਲੀ ਹੌਲੀ,ਕੱਲ੍ਹ,ਅੱਜ,ਪਰਸੋਂ,\
             ਬੱਸ ਇੰਨਾ ਹੀ",
            hesitations: "ਮਤਲਬ,ਮਤਲਬ ਕਿ,ਓ ਉਹ,ਕੀ ਉਹ,ਉਹ,ਅੱਛਾ ਉਹ,ਉਮ,ਅਸਲ ਵਿੱਚ,ਗੱਲ ਇਹ ਹੈ ਕਿ,ਕੀ ਕਹਿੰਦੇ",
            digits: "ਸਿਫ਼ਰ ਜ਼ੀਰੋ ਇੱਕ ਦੋ ਤਿੰਨ ਚਾਰ ਪੰਜ ਛੇ ਸੱਤ ਅੱਠ ਨੌਂ ਨੌ ਵਨ ਟੂ ਥ੍ਰੀ ਫੋਰ ਫਾਈਵ ਸਿਕਸ ਸੈਵਨ ਏਟ ਨਾਈਨ",
            times: "ਡਬਲ=2 ਟ੍ਰਿਪਲ=3",
            numbers: "ਦਸ ਗਿਆਰਾਂ ਬਾਰਾਂ ਤੇਰਾਂ ਪੰਦਰਾਂ ਵੀਹ ਪੱਚੀ ਤੀਹ ਚਾਲੀ ਪੰਜਾਹ ਸੱਠ ਸੱਤਰ ਅੱਸੀ ਨੱਬੇ ਸੌ ਹਜ਼ਾਰ ਲੱਖ ਕਰੋੜ ਡੇਢ ਢਾਈ",
            currency: "ਰੁਪਏ ਰੁਪਇਆ ਪੈਸੇ",
            days: "ਅੱਜ ਕੱਲ੍ਹ ਪਰਸੋਂ ਸੋਮਵਾਰ ਮੰਗਲਵਾਰ ਬੁੱਧਵਾਰ ਵੀਰਵਾਰ ਸ਼ੁੱਕਰਵਾਰ ਸ਼ਨੀਵਾਰ ਐਤਵਾਰ ਤਰੀਕ ਜਨਵਰੀ ਫ਼ਰਵਰੀ ਮਾਰਚ ਅਪ੍ਰੈਲ ਮਈ ਜੂਨ \
             ਜੁਲਾਈ ਅਗਸਤ ਸਤੰਬਰ ਅਕਤੂਬਰ ਨਵੰਬਰ ਦਸੰਬਰ ਸ਼ਾਮ ਸਵੇਰੇ ਰਾਤ ਹਫ਼ਤੇ ਮਹੀਨੇ ਤੱਕ",
            introductions: "ਨਾਂ ਨਾਮ ਹੈ ਮੇਰਾ ਮੈਂ",
            ..NONE
        },
        Source {
            open: "da di de nu vich wich ton te par jaan kyunki je main mera meri mere mainu tusi tuhada asi naal layi eh oh ik \
             matlab phir tan",
            finite: "hai han ho ne si san nahi gaya gayi gaye ditta ditti ditte kita kiti chahida chahidi karo bolo dasso daso deo \
             lao jao reha rahi rahe hona karna kinna kinne kadon kithe kaun ki",
            finite_endings: "anga angi ange ega egi nge",
            closed: "dhanvaad,meharbani,kall,ajj",
            hesitations: "matlab,oh",
            digits: "ik ikk do tin char panj chhe satt atth nau",
            numbers: "das sau hazaar lakh",
            currency: "rupaye paise",
            days: "ajj kall parson",
            ..NONE
        },
    ),
    (
        Lang::Or,
        Source {
            open: "ଏବଂ ଓ ଆଉ କିନ୍ତୁ କାରଣ ଯଦି ଯେ ବା କିମ୍ବା ମୁଁ ମୋ ମୋର ମୋତେ ଆମେ ଆମ ଆମର ଆପଣ ଆପଣଙ୍କ ଆପଣଙ୍କର ଏଇ ସେଇ ଏହି ସେହି ପାଇଁ ସହ \
             ସହିତ ଠାରୁ ମାନେ ଗୋଟେ ଗୋଟିଏ ଯେଉଁ ପରେ ବହୁତ ତାଙ୍କ",
            pronouns: "ମୁଁ ମୋ ମୋର ମୋତେ ଆମେ ଆପଣ ଆପଣଙ୍କ",
            open_endings: "ଙ୍କ ଙ୍କର ଙ୍କୁ ପାଇଁ",
            finite: "ଅଛି ଅଛନ୍ତି ନାହିଁ ନୁହେଁ ହେବ ହେଲା ହେଉଛି କରନ୍ତୁ କୁହନ୍ତୁ ଦିଅନ୍ତୁ ଦେବି ନା ଥାଉ ଦରକାର କେତେ କେବେ କେଉଁଠି କିଏ କଣ କାହିଁକି \
             ହୋଇଗଲା ହୋଇଗଲାଣି ଜାଣେ ଜାଣିନି ଶୁଣନ୍ତୁ ରୁହନ୍ତୁ ଚାହୁଁନି ବୁଝିଲି କେଉଁଟା ଧନ୍ୟବାଦ ଚାହେଁ ହୁଏ ଲାଗେ ଆସେ ଚଳିବ ଲାଗିବ ମିଳିବ \
             ଆସିବ କଟିବ ପଡ଼ିବ",
            finite_endings: "ନ୍ତି ନ୍ତୁ ଛି ଛନ୍ତି ଛୁ ବି ବେ ବୁ ବନି ଲି ଲେ ଲା ନି ଲାଣି ପାରିବ ଥିଲା ଥିଲି ନାହିଁ ଉଛି",
            particles: "କି ନା ତ ପ୍ଲିଜ୍ ଏବେ",
            closed: "ଧନ୍ୟବାଦ,ଥ୍ୟାଙ୍କ ୟୁ,ନମସ୍କାର,ଜୁହାର,ହ୍ୟାଲୋ,ବାଏ,ଭୁଲ ନମ୍ବର,ଭୁଲ୍ ନମ୍ବର,ରଙ୍ଗ ନମ୍ବର,ପରେ,ଏବେ ନୁହେଁ,କ'ଣ,କିଏ,କେବେ,କାହିଁକି,\
             କେତେ,କିଛି ନାହିଁ,ଆଉ ଥରେ,ପୁଣି,ଧୀରେ,ଧୀରେ ଧୀରେ,କାଲି,ଆଜି,ପଅରଦିନ",
            hesitations: "ମାନେ,ମାନେ ଇଏ,ଇଏ,ଉଁ,ହଁ ମାନେ,ହଁ ମାନେ ଆଉ,ଆଉ ମାନେ,ସେଇ ଯେଉଁ,କଥା ହେଲା କି,ନା ମାନେ,କ'ଣ ଯେ",
            digits: "ଶୂନ୍ୟ ଶୁନ ଜିରୋ ଏକ ଦୁଇ ତିନି ଚାରି ପାଞ୍ଚ ଛଅ ସାତ ଆଠ ନଅ ୱାନ ଟୁ ଥ୍ରି ଫୋର ଫାଇଭ ସିକ୍ସ ସେଭେନ ଏଟ ନାଇନ",
            times: "ଡବଲ=2 ଡବଲ୍=2 ଟ୍ରିପଲ=3",
            numbers: "ଦଶ ଏଗାର ବାର ପନ୍ଦର କୋଡ଼ିଏ ପଚିଶ ତିରିଶ ଚାଳିଶ ପଚାଶ ଷାଠିଏ ସତୁରି ଅଶୀ ନବେ ଶହ ଶହେ ହଜାର ହଜାରେ ଲକ୍ଷ କୋଟି ଦେଢ଼ ଅଢ଼େଇ",
            currency: "ଟଙ୍କା ଟଙ୍କାର ପଇସା",
            days: "ଆଜି କାଲି ପଅରଦିନ ସୋମବାର ମଙ୍ଗଳବାର ବୁଧବାର ଗୁରୁବାର ଶୁକ୍ରବାର ଶନିବାର ରବିବାର ତାରିଖ ତାରିଖରେ ଜାନୁଆରୀ ଫେବୃଆରୀ ମାର୍ଚ୍ଚ \
             ଅପ୍ରେଲ ମଇ ଜୁନ ଜୁଲାଇ ଅଗଷ୍ଟ ସେପ୍ଟେମ୍ବର ଅକ୍ଟୋବର ନଭେମ୍ବର ଡିସେମ୍ବର ସନ୍ଧ୍ୟାରେ ସକାଳେ ରାତିରେ ସପ୍ତାହରେ ମାସରେ ସୁଦ୍ଧା",
            introductions: "ନାଁ ନାମ ହେଉଛି ମୋର ମୋ ମୁଁ",
        },
        Source {
            open: "ebam au kintu karana jadi mu mo mora mote ame apana apananka ei sei pain saha mane gote",
            finite: "achi achhi nahi nahin nuhe heba hela karantu kuhantu diantu debi na darkar kete kebe kie kana",
            finite_endings: "antu chi bi be bu li la ni",
            closed: "dhanyabad,pare,kali,aji",
            hesitations: "mane,ie",
            digits: "eka dui tini chari pancha chha sata atha naa",
            numbers: "dasa sahe hajar lakha",
            currency: "tanka",
            days: "aji kali",
            ..NONE
        },
    ),
];
