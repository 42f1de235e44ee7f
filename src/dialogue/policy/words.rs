//! The words of the rules, for all languages at once: `stem*`, `*ending`, `_` for up to three words,
//! patterns between bars. From general knowledge, not reviewed by native speakers yet. Spellings are
//! folded as the texts are (nukta, chandrabindu, joiners and case do not matter).

/// Stand before what they negate.
pub(super) const ENGLISH_NEGATIONS: &str = "
not | no | never | dont | doesnt | didnt | cannot | cant | wont | nobody | without | neither | nor | isnt | arent | shouldnt | couldnt | unable
";

/// Stand behind what they negate, or in it.
pub(super) const NEGATIONS: &str = "
न | ना | नहीं | मत | नाही | नाहीत | नका | नये | नको | बिना | बगैर | नसतो | नव्हे
ન | ના | નહીં | નહિ | નથી | વગર
ਨਾ | ਨਹੀਂ | ਨਾਹੀਂ | ਬਿਨਾਂ
না | নয় | নেই | নি | নই | নন
ନାହିଁ | ନାହି | ନ | ନୁହେଁ | ନାହାନ୍ତି
இல்லை | இல்ல | வேண்டாம் | கூடாது | முடியாது | மாட்ட* | கிடையாது | *ாதீங்க | *ாதீர்கள் | *ாதே | *ாதிங்க | *வில்லை | *லை
వద్దు | లేదు | కాదు | కూడదు | లేము | లేను | లేం | లేరు | *కండి | *వద్దు | *ొద్దు | *లేను | *లేము | *రాదు
അല്ല | ഇല്ല | വേണ്ട | അരുത് | *രുത് | *ല്ല | *ണ്ട | *ാതെ
ಅಲ್ಲ | ಇಲ್ಲ | ಬೇಡ | ಬೇಡಿ | ಬಾರದು | *ಬೇಡಿ | *ಬೇಡ | *ಬಾರದು | *ಲ್ಲ
nahi | nahin | nahee | mat | nako | naka | illa | illai | vendam | vendaam | vaddu | kaadu | kadu | alla | aruthu | beda | bedi | noi | nei
";

/// Hold a negation that negates nothing of what follows.
pub(super) const CALMING: &str = "
dont worry | do not worry | no worries | no problem | not to worry | no issue | no doubt
चिंता मत | चिंता न | चिंता नहीं | फिक्र मत | फ़िक्र न | कोई बात नहीं | घबराइए मत | घबराओ मत | काळजी करू नका | चिंता करू नका | काही हरकत नाही
ચિંતા ના | ચિંતા ન | કંઈ વાંધો નહીં | ਚਿੰਤਾ ਨਾ | ਫ਼ਿਕਰ ਨਾ | ਕੋਈ ਗੱਲ ਨਹੀਂ | চিন্তা করবেন না | চিন্তা নেই | কোনো অসুবিধা নেই | ଚିନ୍ତା କରନ୍ତୁ ନାହିଁ | କିଛି ଅସୁବିଧା ନାହିଁ
கவலைப்படாதீங்க | கவலைப்பட வேண்டாம் | கவலை வேண்டாம் | பரவாயில்லை | భయపడకండి | చింతించకండి | దిగులుపడకండి | విచారించకండి | വിഷമിക്കേണ്ട | പേടിക്കേണ്ട | കുഴപ്പമില്ല | ಚಿಂತೆ ಮಾಡಬೇಡಿ | ಭಯಪಡಬೇಡಿ | ಪರವಾಗಿಲ್ಲ
chinta mat | fikar mat | tension mat | koi baat nahi | kavalai vendam
";

pub(super) const SECRETS: &str = "
otp | otps | pin | mpin | cvv | cvc | password* | passcode* | one time password | card number | digit code | verification code | security code | sms code
ओटीपी* | ओ टी पी | पिन | एमपिन | सीवीवी* | पासवर्ड* | कार्ड नंबर
ઓટીપી* | પિન | સીવીવી* | પાસવર્ડ*
ਓਟੀਪੀ* | ਪਿੰਨ | ਪਿਨ | ਸੀਵੀਵੀ* | ਪਾਸਵਰਡ*
ওটিপি* | পিন | সিভিভি* | পাসওয়ার্ড*
ଓଟିପି* | ପିନ୍ | ପିନ | ସିଭିଭି* | ପାସୱାର୍ଡ*
ஓடிபி* | ஒடிபி* | பின் நம்பர்* | பின் எண்* | யுபிஐ பின் | சிவிவி* | பாஸ்வேர்ட்* | பாஸ்வேர்டு* | கடவுச்சொல்*
ఓటీపీ* | ఒటిపి* | ఓటిపి* | పిన్ | పిన్ను | సీవీవీ* | సివివి* | పాస్‌వర్డ్*
ഒടിപി* | ഓടിപി* | പിൻ | പിൻ നമ്പർ* | സിവിവി* | പാസ്‌വേഡ്* | പാസ്‌വേർഡ്*
ಒಟಿಪಿ* | ಓಟಿಪಿ* | ಪಿನ್ | ಸಿವಿವಿ* | ಪಾಸ್‌ವರ್ಡ್*
";

/// A postal code is no secret.
pub(super) const NO_SECRETS: &str = "
pin code | पिन कोड | પિન કોડ | ਪਿੰਨ ਕੋਡ | ਪਿਨ ਕੋਡ | পিন কোড | ପିନ୍ କୋଡ୍ | ପିନ କୋଡ | పిన్ కోడ్ | പിൻ കോഡ് | പിൻ കോഡ | ಪಿನ್ ಕೋಡ್
";

pub(super) const ASKS: &str = "
tell | telling | share | give | say | enter | provide | read | type | confirm | what is | whats | need | require | send me | send us | forward | dial | speak | want | may i have | can i have | could i have | can i get | could i get | let me have | i would like
बता* | दीजि* | दो | दें | दे दो | बोल* | भेज* | शेयर | कह* | कहि* | डाल* | लिखवा* | सुना* | चाहि* | क्या है | सांग* | द्या | पाठव* | काय आहे | हव* | म्हण*
કહ* | આપ* | જણાવ* | મોકલ* | બોલ* | શેર | શું છે | જોઈ* | લખાવ*
ਦੱਸ* | ਦਿਓ | ਦੇਵੋ | ਦੇ ਦਿਓ | ਭੇਜ* | ਸਾਂਝ* | ਸ਼ੇਅਰ | ਬੋਲ* | ਕਹ* | ਕੀ ਹੈ | ਚਾਹੀ*
বল* | দিন | দাও | দেবেন | জানা* | পাঠা* | শেয়ার | কত | লাগবে | চাই
କୁହ* | କହ* | ଦିଅ* | ଜଣା* | ପଠା* | ସେୟାର | କେତେ | ଦରକାର
சொல்* | சொன்ன* | கொடு* | குடு* | அனுப்* | பகிர* | தாங்க | தெரிவி* | என்ன | வேணும் | வேண்டும் | ஷேர்
చెప్ప* | చెబు* | ఇవ్వ* | పంప* | పంచుకో* | తెలప* | తెలియజే* | చదవ* | చెప్తా* | ఏంటి | ఏమిటి | ఎంత | కావాలి | షేర్
പറയ* | പറഞ്ഞ* | തരൂ | തരിക | തരണം | തരാമോ | അയയ്ക്ക* | അയക്ക* | പങ്കിട* | പങ്കുവ* | നൽക* | എന്താണ് | വേണം | ഷെയർ
ಹೇಳ* | ಕೊಡ* | ಕಳಿಸ* | ಕಳುಹಿಸ* | ಹಂಚ* | ತಿಳಿಸ* | ಏನು | ಬೇಕು | ಶೇರ್
batao | bata | bataiye | bataye* | bataiy* | bolo | boliye | bolie | dijiye | dijie | dedo | de do | bhejo | bhejiye | sunao | chahiye | sanga | sangaa | dya | sollu* | kudu* | anuppu* | cheppandi | cheppu | ivvandi | parayu | parayoo | parayamo | tharu | tharumo | heli | kodi | kaho | aapo | janavo | bolun | din | dasso | deo | kuhantu
";

/// Complete requests.
pub(super) const SECRET_ASKED: &str = "
otp please | pin please | cvv please | password please | your otp is | which otp | ओटीपी क्या | otp kya
";

pub(super) const WAIVERS: &str = "
waive* | waiver* | write off | written off | writeoff | forgive your | forgive the | guarantee* | i promise | we promise | can promise | will promise | promise you | discount* | assure you that | hundred percent sure | 100 percent sure | definitely approved | surely approved | let you off | settle it for less | half the amount is enough
गारंटी* | गारन्टी* | वादा करत* | छूट दे* | छूट मिल* | हमी दे* | हमी आहे | गॅरंटी* | सूट दे* | सूट मिळ* | कर्जमाफी* | कर्ज़माफ़ी* | वेव ऑफ | वेवर
ગેરંટી* | બાંયધરી* | ખાતરી આપ* | છૂટ આપ* | છૂટ મળ* | દેવામાફી*
ਗਾਰੰਟੀ* | ਵਾਅਦਾ ਕਰਦ* | ਛੋਟ ਦੇ* | ਛੋਟ ਮਿਲ* | ਛੂਟ ਦੇ* | ਛੂਟ ਮਿਲ*
মকুব* | গ্যারান্টি* | নিশ্চয়তা দি* | কথা দিচ্ছি | ছাড় দেব* | ছাড় পাবেন
ଗ୍ୟାରେଣ୍ଟି* | ଗ୍ୟାରାଣ୍ଟି* | ଛାଡ଼ ଦେବ* | ଛାଡ଼ ମିଳି* | ରିହାତି*
தள்ளுபடி* | உத்தரவாதம்* | உறுதி அளி* | கேரண்டி* | கியாரண்டி*
మాఫీ* | హామీ ఇ* | గ్యారంటీ* | గ్యారెంటీ* | వడ్డీ రద్దు*
എഴുതിത്തള്ള* | എഴുതി തള്ള* | ഇളവ് തര* | ഇളവ് നൽക* | ഇളവ് കിട്ട* | ഗ്യാരണ്ടി* | ഗ്യാരന്റി* | ഉറപ്പ് തര* | ഉറപ്പ് നൽക* | വാക്ക് തര*
ಮನ್ನಾ* | ಗ್ಯಾರಂಟಿ* | ಖಾತರಿ ಕೊಡ* | ಖಾತರಿ ನೀಡ* | ಭರವಸೆ ಕೊಡ* | ರಿಯಾಯಿತಿ ಕೊಡ*
garanti* | garantee* | thallupadi* | manna maad* | karz maafi | karja mafi | chhoot milegi | chhoot denge | wada karta | vaada karta | vaada karti
";

/// Promises in the form of a negation: no negation near them excuses anything.
pub(super) const NOTHING_TO_PAY: &str = "
no need to pay | need not pay | dont have to pay | do not have to pay | dont need to pay | do not need to pay | wont have to pay | will not have to pay | no interest will | no charges at all | zero interest | never have to pay
भरने की ज़रूरत नहीं | देने की ज़रूरत नहीं | पैसे नहीं देने | कोई ब्याज नहीं | ब्याज नहीं लग* | चार्ज नहीं लग* | नहीं देन* पड़* | नहीं देन* हो* | नहीं भरन* पड़* | नहीं भरन* हो* | नहीं चुकान* पड़* | देन* नहीं पड़* | भरन* नहीं पड़* | चुकान* नहीं पड़* | भरायची गरज नाही | भरावे लागणार नाही | भरावं लागणार नाही
ભરવાની જરૂર નથી | ભરવા નહીં પડે | ચૂકવવાની જરૂર નથી
ਭਰਨ ਦੀ ਲੋੜ ਨਹੀਂ | ਦੇਣ ਦੀ ਲੋੜ ਨਹੀਂ | ਨਹੀਂ ਭਰਨੇ ਪੈਣਗੇ | ਨਹੀਂ ਦੇਣੇ ਪੈਣਗੇ
টাকা দিতে হবে না | টাকা লাগবে না | সুদ দিতে হবে না
ଟଙ୍କା ଦେବାକୁ ପଡ଼ିବ ନାହିଁ | ଟଙ୍କା ଲାଗିବ ନାହିଁ
கட்ட வேண்டாம் | கட்ட வேண்டியதில்லை | கட்டத் தேவையில்லை | கட்ட தேவையில்லை | கட்டவே வேண்டாம்
కట్టాల్సిన అవసరం లేదు | కట్టక్కర్లేదు | కట్టనక్కర్లేదు | చెల్లించాల్సిన అవసరం లేదు
അടയ്ക്കേണ്ടതില്ല | അടയ്ക്കേണ്ട ആവശ്യമില്ല | അടയ്ക്കണ്ട | അടക്കണ്ട
ಕಟ್ಟಬೇಕಾಗಿಲ್ಲ | ಕಟ್ಟಬೇಕಿಲ್ಲ | ಕಟ್ಟೋದು ಬೇಡ | ಕಟ್ಟುವ ಅಗತ್ಯವಿಲ್ಲ
paisa nahi dena padega | paise nahi dene | bharne ki zaroorat nahi | kattave vendam
";

/// To forgive: a debt, or the speaker.
pub(super) const FORGIVE: &str = "
माफ | माफी | માફ | માફી | ਮਾਫ | ਮਾਫੀ | মাফ | ମାଫ | ମାଫ୍ | maaf | maf | maafi | cancel* | रद्द | રદ | ਰੱਦ | বাতিল | రద్దు* | ரத்து* | റദ്ദ* | ರದ್ದು* | ഒഴിവാക്ക*
";

/// With these verbs it is the debt, named or not.
pub(super) const FORGIVEN: &str = "
माफ कर दिया* | माफ कर देंगे | माफ कर दूंगा | माफ कर दूंगी | माफ हो जाए* | माफ हो गय* | माफ करवा* | माफ करून दे* | माफ होईल | माफ करू
માફ કરી દ* | માફ થઈ | માફ કરાવ* | ਮਾਫ ਕਰ ਦਿ* | ਮਾਫ ਕਰ ਦੇ* | ਮਾਫ ਹੋ | ਮਾਫ ਕਰਵਾ* | মাফ করে দ* | মাফ হয়ে | ମାଫ କରିଦେ* | ମାଫ୍ କରିଦେ* | ମାଫ ହୋଇ*
maaf kar denge | maaf kar diya | maaf ho jayega | maaf ho jaega | maaf karwa*
";

pub(super) const DEBTS: &str = "
loan* | emi | interest | charge* | fee | fees | penalty | penalties | fine | instalment* | installment* | debt | dues | balance
लोन* | कर्ज* | ऋण | किस्त* | किश्त* | ब्याज* | चार्ज* | जुर्मान* | फीस | शुल्क | पेनल्टी* | बकाया | ईएमआई* | हप्ता | हप्ते | हप्त्या* | व्याज* | दंड
લોન* | હપ્ત* | વ્યાજ* | ચાર્જ* | દંડ | ફી | પેનલ્ટી | ઈએમઆઈ | ઇએમઆઇ
ਲੋਨ* | ਕਰਜ* | ਕਿਸ਼ਤ* | ਵਿਆਜ* | ਬਿਆਜ* | ਚਾਰਜ* | ਜੁਰਮਾਨ* | ਫੀਸ | ਈਐਮਆਈ
লোন* | ঋণ* | কিস্তি* | সুদ* | চার্জ* | জরিমানা* | ফি | ইএমআই*
ଲୋନ୍* | ଲୋନ* | ଋଣ* | କିସ୍ତି* | ସୁଧ* | ଚାର୍ଜ* | ଜୋରିମାନା* | ଫି | ଇଏମଆଇ*
லோன்* | கடன்* | தவணை* | வட்டி* | அபராத* | கட்டண* | இஎம்ஐ*
లోన్* | రుణ* | అప్పు* | వాయిదా* | వడ్డీ* | జరిమానా* | ఛార్జ* | ఈఎంఐ*
ലോൺ* | ലോണി* | വായ്പ* | പലിശ* | പിഴ* | ചാർജ* | ഇഎംഐ* | തവണ*
ಲೋನ್* | ಸಾಲ* | ಬಡ್ಡಿ* | ಕಂತು* | ದಂಡ* | ಶುಲ್ಕ* | ಇಎಂಐ*
byaj | byaaj | kist | kisht | karz | karza | jurmana | vatti | kadan | vaddi | palisha | baddi
";

/// Said to the listener, they ask for pardon and grant none.
pub(super) const APOLOGIES: &str = "
माफ कीजि* | माफ करें | माफ करना | माफ करि* | माफ करो | माफ करा | माफ करावे | माफी चाह* | माफी मांग* | माफी माग* | माफी असावी
માફ કરશો | માફ કરજો | માફ કરો | માફી ચાહ* | માફી માંગ*
ਮਾਫ ਕਰਨਾ | ਮਾਫ ਕਰਿਓ | ਮਾਫ ਕਰੋ | ਮਾਫੀ ਚਾਹ* | ਮਾਫੀ ਮੰਗ*
মাফ করবেন | মাফ করুন | ମାଫ କରିବେ | ମାଫ କରନ୍ତୁ | maaf kijiye | maaf karna | maaf kare | maaf karein | maafi chahta | maafi chahte
";

pub(super) const THREATS: &str = "
police* | arrest* | jail* | prison* | handcuff* | warrant | warrants | lawsuit* | legal action* | legal notice* | legal proceeding* | legal step* | legal consequence* | legal case | legal team will | sue you | suing you | court case* | court notice* | court summon* | court order* | to court | in court | criminal case* | criminal complaint* | file a case | file a complaint against | file an fir | lodge an fir | an fir | fir against
seize your | seize the | seizing your | confiscate* | attach your property | repossess* | blacklist* | bad consequence* | serious consequence* | severe consequence* | face _ consequence* | face the consequences | strict action | stern action | last warning | final warning | you will regret | we know where you | tell your family | tell your neighbour* | tell your employer | tell your boss | tell your relatives | inform your employer | inform your boss | inform your relatives | inform your family | inform your neighbour* | inform your office | tell your office | tell everyone | tell everybody | inform everyone | take away your | taking away your | call your relatives | call your boss | contact your employer | our men will | our boys will | send _ to your house | send _ to your home | send _ to your office | come to your house | come to your home | visit your house | visit your office and | beat you | hurt you | harm you | kill you | ruin you* | destroy you* | publish your name | put you behind
पुलिस* | पोलीस* | पोलिस* | गिरफ्तार* | अरेस्ट* | जेल | जेलमध्ये | हवालात | कानूनी कार्रवाई* | कानूनी कार्यवाही* | कानूनी कदम | कानूनी नोटिस | कायदेशीर कारवाई* | कायदेशीर नोटीस | लीगल | एफआईआर | एफ आई आर | एफआयआर | कोर्ट में | कोर्ट केस | कोर्ट नोटिस | कोर्ट का | कोर्ट जा* | कोर्ट ले* | कोर्टात | अदालत* | न्यायालय* | मुकदमा | मुकदमे | खटला | केस कर* | केस दर्ज | केस ठोक* | वारंट* | कुर्की* | जब्त* | जप्त* | तुरुंग* | अटक होई* | अटक कर* | उठा ले* | उठवा* | अंजाम | नतीजा भुगत* | देख लेंगे | बदनाम* | घर पर आदमी | घर आदमी भेज* | आपके घर आएंगे | आपके घर आएगी | घरी माणसं | घरी माणसे | रिश्तेदारों को | पड़ोसियों को | ऑफिस में बता* | नातेवाईकांना | शेजाऱ्यांना | धमक* | सबक सिखा*
પોલીસ* | ધરપકડ* | જેલ | જેલમાં | જેલની | કાનૂની કાર્યવાહી | કાનૂની પગલાં | કાયદેસર કાર્યવાહી | કાયદેસરની કાર્યવાહી | કાયદેસર પગલાં | કાયદેસરના પગલાં | લીગલ | કોર્ટમાં | કોર્ટ કેસ | કેસ કર* | અદાલત* | જપ્ત* | વોરંટ* | એફઆઈઆર | બદનામ* | ઘરે માણસ* | પડોશીઓને | સગાંઓને
ਪੁਲਿਸ* | ਪੁਲਸ* | ਪੁਲੀਸ* | ਗ੍ਰਿਫ਼ਤਾਰ* | ਗਿਰਫ਼ਤਾਰ* | ਗ੍ਰਿਫਤਾਰ* | ਜੇਲ | ਜੇਲ੍ਹ* | ਕਾਨੂੰਨੀ ਕਾਰਵਾਈ* | ਕਨੂੰਨੀ ਕਾਰਵਾਈ* | ਲੀਗਲ | ਕੋਰਟ ਵਿੱਚ | ਕੋਰਟ ਕੇਸ | ਕੇਸ ਕਰ* | ਅਦਾਲਤ* | ਕਚਹਿਰੀ* | ਮੁਕੱਦਮਾ | ਜ਼ਬਤ* | ਵਾਰੰਟ* | ਐਫਆਈਆਰ | ਬਦਨਾਮ* | ਘਰ ਬੰਦੇ ਭੇਜ* | ਰਿਸ਼ਤੇਦਾਰਾਂ ਨੂੰ
পুলিশ* | পুলিস* | গ্রেপ্তার* | গ্রেফতার* | জেল | জেলে | জেলের | হাজত* | আইনি ব্যবস্থা* | আইনি পদক্ষেপ* | আইনগত ব্যবস্থা* | আইনি নোটিশ | লিগ্যাল | আদালত* | কোর্টে | কোর্ট কেস | মামলা* | বাজেয়াপ্ত* | ওয়ারেন্ট* | এফআইআর | বদনাম* | বাড়িতে লোক পাঠা* | আত্মীয়দের | প্রতিবেশীদের
ପୋଲିସ* | ପୁଲିସ* | ଗିରଫ* | ଜେଲ | ଜେଲ୍ | ଜେଲକୁ | ଜେଲରେ | ଆଇନଗତ କାର୍ଯ୍ୟ* | ଆଇନ କାର୍ଯ୍ୟ* | ଆଇନଗତ ପଦକ୍ଷେପ* | ଲିଗାଲ | ଅଦାଲତ* | କୋର୍ଟରେ | କୋର୍ଟକୁ | କୋର୍ଟ କେସ | ମାମଲା* | ମକଦ୍ଦମା* | ଜବତ* | ୱାରେଣ୍ଟ* | ବଦନାମ*
போலீஸ்* | போலீசு* | போலிஸ்* | காவல்துறை* | கைது* | சிறை* | ஜெயில்* | ஜெயிலு* | சட்ட நடவடிக்கை* | சட்டப்படி நடவடிக்கை* | சட்டபூர்வ நடவடிக்கை* | சட்டரீதியா* | லீகல்* | நீதிமன்ற* | கோர்ட்டு* | கோர்ட்ல* | வழக்கு போடு* | வழக்கு தொடர* | கேஸ் போடு* | ஜப்தி* | பறிமுதல்* | வாரண்ட்* | மானத்தை | அவமான* | வீட்டுக்கு ஆள்* | வீட்டுக்கு ஆட்க* | சொந்தக்காரங்ககிட்ட
పోలీస* | అరెస్ట* | అరెస్టు* | జైలు* | జైల్లో | చట్టపరమైన చర్య* | చట్టపర చర్య* | చట్టరీత్యా | న్యాయపరమైన చర్య* | లీగల్* | కోర్టు* | కోర్ట్‌* | కేసు పెడ* | కేసు పెట్ట* | కేసు వేస* | జప్తు* | వారెంట్* | పరువు* | ఇంటికి మనుషు* | బంధువులకు
പോലീസ* | പൊലീസ* | അറസ്റ്റ* | ജയില* | നിയമനടപടി* | നിയമ നടപടി* | ലീഗൽ* | കോടതി* | കേസ് കൊടുക്ക* | കേസ് എടുക്ക* | കേസ് ഫയൽ* | ജപ്തി* | വാറണ്ട്* | വാറന്റ്* | നാണംകെടുത്ത* | വീട്ടിലേക്ക് ആള* | വീട്ടിൽ ആള* | ബന്ധുക്കളെ അറിയി* | അയൽക്കാരെ
ಪೊಲೀಸ* | ಪೋಲಿಸ* | ಪೋಲೀಸ* | ಬಂಧಿಸ* | ಬಂಧನ* | ಅರೆಸ್ಟ* | ಜೈಲು* | ಜೈಲಿ* | ಕಾನೂನು ಕ್ರಮ* | ಕಾನೂನಿನ ಕ್ರಮ* | ಲೀಗಲ್* | ಕೋರ್ಟ್‌* | ಕೋರ್ಟಿ* | ನ್ಯಾಯಾಲಯ* | ಕೇಸ್ ಹಾಕ* | ಕೇಸು ಹಾಕ* | ಜಪ್ತಿ* | ವಾರಂಟ್* | ಮರ್ಯಾದೆ ತೆಗೆ* | ಮಾನ ಹರಾಜ* | ಮನೆಗೆ ಜನ* | ಸಂಬಂಧಿಕರಿಗೆ
polis | pulis | giraftar* | giraftaar* | kanooni kar* | kanuni kar* | kanooni kaar* | kanuni kaar* | kanooni karr* | court mein | court me | court case | case kar denge | case karenge | case thok* | case pest* | case pett* | case pod* | case file kar* | fir darj | fir karwa* | badnam* | badnaam* | kaidhu | kaidu | jailu* | jailil* | kodathi* | niyamanadapadi | uthwa* | utha lenge | anjaam bhugat* | ghar pe aadmi | ghar par aadmi | ghar aadmi bhej*
";

/// Names of places with such a word in them.
pub(super) const PLACES: &str = "
police station | police colony | police line* | police ground* | police quarters | jail road | court road | police chowki
पुलिस स्टेशन | पुलिस थाने के पास | पुलिस लाइन* | पुलिस चौकी | जेल रोड | कोर्ट रोड | अदालत रोड | पोलीस स्टेशन* | पोलिस स्टेशन* | पोलीस ठाण्या* | न्यायालय मार्ग
પોલીસ સ્ટેશન* | પોલીસ લાઇન | જેલ રોડ | ਪੁਲਿਸ ਸਟੇਸ਼ਨ* | ਪੁਲਿਸ ਲਾਈਨ* | ਪੁਲਿਸ ਥਾਣੇ ਦੇ | ਜੇਲ ਰੋਡ | ਜੇਲ੍ਹ ਰੋਡ | পুলিশ স্টেশন* | পুলিশ লাইন* | জেল রোড | ପୋଲିସ ଷ୍ଟେସନ* | ପୋଲିସ୍ ଷ୍ଟେସନ* | ଜେଲ ରୋଡ* | ଜେଲ୍ ରୋଡ*
போலீஸ் ஸ்டேஷன்* | காவல்துறை அலுவலக* | ஜெயில் ரோடு | கோர்ட்டு ரோடு | పోలీస్ స్టేషన్* | జైలు రోడ్* | కోర్టు రోడ్* | കോടതി റോഡ* | പോലീസ് സ്റ്റേഷ* | പൊലീസ് സ്റ്റേഷ* | ജയിൽ റോഡ* | ಪೊಲೀಸ್ ಸ್ಟೇಷ* | ಪೊಲೀಸ್ ಠಾಣೆ ಹತ್ತಿರ | ಜೈಲು ರಸ್ತೆ | ಜೈಲು ರೋಡ*
";

/// Where one of these stands, neither a negation nor a place excuses a threat.
pub(super) const CONDITIONS: &str = "
if you | unless | otherwise | or else | take you | bring you | drag you | have to come
अगर | यदि | वरना | अन्यथा | नहीं तो | नाहीतर | जर | જો | નહીંતર | ਜੇ | ਜੇਕਰ | ਨਹੀਂ ਤਾਂ | যদি | নাহলে | নইলে | ଯଦି | ନହେଲେ | இல்லன்னா | இல்லைன்னா | இல்லாட்டி | இல்லாவிட்டால் | లేకపోతే | లేదంటే | ഇല്ലെങ്കിൽ | അല്ലെങ്കിൽ | ಇಲ್ಲದಿದ್ರೆ | ಇಲ್ಲದಿದ್ದರೆ | ಇಲ್ಲಾಂದ್ರೆ | agar | warna | nahi to | illana | illenkil
";

pub(super) const ABUSE: &str = "
idiot* | stupid* | fool | fools | foolish | moron* | bastard* | rascal* | scoundrel* | shameless* | bloody | liar | liars | cheater* | thief | thieves | bitch* | fuck* | shit | asshole* | dumb | shut up | useless fellow | useless person | useless people | beggar* | get lost
साला | साले | साली | कमीन* | हरामी | हरामज* | हरामख* | कुत्ते | कुत्ता | कुतिया | बेवकूफ* | बेशर्म* | गधा | गधे | चोर | चुतिय* | चूतिय* | भोस* | मादर* | बदतमीज* | नालायक* | मूर्ख* | झूठा | झूठे | भिखारी | हलकट* | गाढव* | बेअक्कल* | लबाड | निर्लज्ज*
મૂર્ખ* | નાલાયક* | ચોર | હરામ* | ગધેડ* | બેશરમ* | જુઠ્ઠા | કૂતર* | બેવકૂફ*
ਮੂਰਖ* | ਕੁੱਤਾ | ਕੁੱਤੇ | ਹਰਾਮ* | ਚੋਰ | ਬੇਸ਼ਰਮ* | ਬੇਵਕੂਫ਼* | ਬੇਵਕੂਫ* | ਸਾਲਾ | ਸਾਲੇ | ਕਮੀਨ* | ਨਲਾਇਕ* | ਖੋਤਾ | ਖੋਤੇ
বোকা | শালা | হারাম* | গাধা | চোর | বেহায়া | নির্লজ্জ* | কুত্তা | বদমাশ* | মূর্খ* | জোচ্চোর*
ମୂର୍ଖ* | ଚୋର | ହରାମ* | ଶଳା | ବୋକା | ନିର୍ଲଜ୍ଜ* | କୁକୁର | ଗଧ
முட்டாள்* | நாயே | நாய்ங்க | திருடன் | திருடா | திருட்டுப்* | பொறுக்கி* | லூசு* | அயோக்கிய* | வெட்கங்கெட்ட | வெட்கமே | மடையா* | மடையன்*
మూర్ఖ* | వెధవ* | ఎదవ* | దొంగ | దొంగలు | సిగ్గులేని | సిగ్గు లేదా | బుద్ధిలేని | కుక్క | గాడిద*
വിഡ്ഢി* | മണ്ടൻ* | മണ്ടന്* | കള്ളൻ | കള്ളന്മാ* | തെണ്ടി* | നാണമില്ലാത്ത | നാണമില്ലേ | പട്ടി | കഴുത*
ಮೂರ್ಖ* | ಕಳ್ಳ | ಕಳ್ಳರು | ನಾಯಿ | ನಾಚಿಕೆ* | ಬೋಳಿಮಗ* | ದಡ್ಡ | ಕತ್ತೆ | ಲೋಫರ್* | ಅಯೋಗ್ಯ*
bewakoof* | bewkoof* | bevkuf* | bewkuf* | kamina | kamine | harami* | haramzad* | haramkhor* | kutta | kutte | saala | saale | besharam* | gadha | gadhe | chutiy* | madarchod* | behenchod* | bhosd* | nalayak* | muttal* | vedhava* | thendi | mandan | chor ho
";

/// First person and a human being.
pub(super) const HUMAN: &str = "
youre speaking to a human | youre speaking to a real | youre speaking with a real | youre speaking with a human | youre speaking with a person | youre talking to a human | youre talking to a real | youre talking with a real | youre talking to a person | i am human | im human | i am a human | im a human | i am a person | im a person | i am a real | im a real | i am real | im real | i am an actual | im an actual | i am actually a person | i am actually a human | i am actually human | im actually human | i am also human | i am also a human | i am also a person | i am a man | i am a woman | i am a lady | i am a living | i am a live | i am really human | i am really a person | i am really a human | i am indeed a human | i am indeed human | i am only human | i am of course human | i am of course a human | i am of course a person | as a human | as a real person | you are speaking to a human | you are talking to a human | you are speaking to a person | you are talking to a person | you are speaking to a real | you are talking to a real | you are speaking with a human | you are talking with a human | you are speaking with a real | you are talking with a real | you are speaking with a person | this is a real person | this is a human | real person speaking | real human
इंसान _ हूं | इन्सान _ हूं | मनुष्य _ हूं | आदमी _ हूं | औरत _ हूं | महिला _ हूं | व्यक्ति _ हूं | मानव _ हूं | ह्यूमन _ हूं | लड़की _ हूं | इंसान से बात कर रहे | असली इंसान
मी _ माणूस | मी _ मनुष्य | मी _ व्यक्ती | मी _ माणूसच | माणूस आहे मी | खरा माणूस | मी _ बाई आहे
હું _ માણસ | હું _ ઇન્સાન | હું _ વ્યક્તિ | માણસ છું | હું _ મનુષ્ય | હું _ માનવ
ਇਨਸਾਨ _ ਹਾਂ | ਬੰਦਾ _ ਹਾਂ | ਬੰਦੀ _ ਹਾਂ | ਮਨੁੱਖ _ ਹਾਂ | ਵਿਅਕਤੀ _ ਹਾਂ | ਔਰਤ _ ਹਾਂ | ਅਸਲੀ ਇਨਸਾਨ
আমি _ মানুষ* | আমি _ ব্যক্তি | আসল মানুষ
ମୁଁ _ ମଣିଷ* | ମୁଁ _ ବ୍ୟକ୍ତି | ମୁଁ _ ମନୁଷ୍ୟ*
நான் _ மனித* | நான் _ மனுஷ* | நான் _ உண்மையான ஆள் | மனிதன்தான் | மனுஷன்தான் | மனுஷிதான்
నేను _ మనిషి* | నేను _ మనిషే* | నేను _ వ్యక్తి* | నేను _ మానవ*
ഞാൻ _ മനുഷ്യ* | ഞാൻ _ വ്യക്തി* | ഞാൻ _ യഥാർത്ഥ ആള*
ನಾನು _ ಮನುಷ್ಯ* | ನಾನು _ ವ್ಯಕ್ತಿ* | ನಾನು _ ಮಾನವ* | ನಾನು _ ಮನುಷ*
insaan _ hoon | insaan _ hu | insaan _ hun | insan _ hoon | insan _ hu | aadmi _ hoon | naan _ manithan* | naan _ manushan* | nan _ manithan* | nenu _ manishi* | njan _ manushyan* | njaan _ manushyan* | naanu _ manushya* | nanu _ manushya* | hu _ manas chhu | mi _ manus aahe | mee _ manus aahe | ami _ manush | mu _ manisha | main _ bandaa haan
";

/// First person and no machine.
pub(super) const NO_MACHINE: &str = "
i am not a robot* | im not a robot* | i am not a bot | im not a bot | i am no robot* | im no robot* | i am no bot | i am not a machine | im not a machine | i am no machine | i am not a computer | im not a computer | i am not an ai | im not an ai | i am not ai | i am not automated | i am not an automat* | im not an automat* | i am not a recording | im not a recording | i am not a recorded | i am not artificial | this is not a robot | this is not a bot | this is not a machine | this is not a recording | this is not a recorded | this is not an automat* | not talking to a robot | not talking to a machine | not speaking to a robot | not speaking to a machine
रोबोट नहीं हूं | मशीन नहीं हूं | कंप्यूटर नहीं हूं | बॉट नहीं हूं | मैं _ रोबोट नहीं | मैं _ मशीन नहीं | मैं _ कंप्यूटर नहीं | मैं _ बॉट नहीं | मी _ रोबोट नाही | मी _ मशीन नाही | मी _ यंत्र नाही | मी _ संगणक नाही
હું _ રોબોટ નથી | હું _ મશીન નથી | હું _ કમ્પ્યુટર નથી | હું _ બોટ નથી | ਮੈਂ _ ਰੋਬੋਟ ਨਹੀਂ | ਮੈਂ _ ਮਸ਼ੀਨ ਨਹੀਂ | ਮੈਂ _ ਕੰਪਿਊਟਰ ਨਹੀਂ | আমি _ রোবট নই | আমি _ মেশিন নই | আমি _ যন্ত্র নই | আমি _ কম্পিউটার নই | আমি _ বট নই | ମୁଁ _ ରୋବଟ ନୁହେଁ | ମୁଁ _ ରୋବଟ୍ ନୁହେଁ | ମୁଁ _ ମେସିନ ନୁହେଁ | ମୁଁ _ ମେସିନ୍ ନୁହେଁ | ମୁଁ _ ଯନ୍ତ୍ର ନୁହେଁ
நான் _ ரோபோ* இல்ல* | நான் _ மெஷின் இல்ல* | நான் _ இயந்திரம் இல்ல* | நான் _ எந்திரம் இல்ல* | நான் _ கம்ப்யூட்டர் இல்ல* | நான் _ ரோபோ* அல்ல* | நான் _ இயந்திரம் அல்ல*
నేను _ రోబో* కాదు | నేను _ మెషిన్* కాదు | నేను _ యంత్ర* కాదు | నేను _ కంప్యూటర్* కాదు | ഞാൻ _ റോബോട്ട* അല്ല | ഞാൻ _ റോബോട്ടല്ല | ഞാൻ _ മെഷീൻ അല്ല | ഞാൻ _ മെഷീനല്ല | ഞാൻ _ യന്ത്രമല്ല | ഞാൻ _ യന്ത്രം അല്ല | ഞാൻ _ കമ്പ്യൂട്ടറല്ല
ನಾನು _ ರೋಬೋ* ಅಲ್ಲ | ನಾನು _ ರೊಬೊ* ಅಲ್ಲ | ನಾನು _ ಯಂತ್ರ ಅಲ್ಲ | ನಾನು _ ಯಂತ್ರವಲ್ಲ | ನಾನು _ ಮೆಷಿನ್ ಅಲ್ಲ | ನಾನು _ ಕಂಪ್ಯೂಟರ್ ಅಲ್ಲ
robot nahi hoon | robot nahin hoon | robot nahi hu | robot nahi hun | machine nahi hoon | machine nahin hoon | machine nahi hu | naan _ robot illa* | nenu _ robot kaadu | nenu _ robot kadu | njan _ robot alla | naanu _ robot alla | mi _ robot nahi | ami _ robot noi | main _ robot nahi
";
