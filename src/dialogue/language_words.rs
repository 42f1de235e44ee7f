//! Word lists that tell languages apart where the script does not. Plain data; `language.rs` reads
//! it. Words stand in any spelling, they are folded before use.

use crate::base::Lang;

/// Borrowed everywhere: no evidence for any language.
pub(super) const INTERNATIONAL: &str = "hello hallo helo hi hey ok okay k yes no yeah bye please plz sorry thanks thank you \
    sir madam mam maam number phone call mobile message sms loan emi bank payment pay upi online app office branch time \
    date amount total balance receipt agent manager customer care busy meeting bus train doctor hospital one two three \
    four five six seven eight nine ten zero double triple rupees account address link english hindi tamil telugu kannada \
    malayalam marathi gujarati bengali bangla punjabi odia hmm hm umm um uh ah oh ha \
    हैलो हेलो हलो हॅलो हाय ओके येस नो बाय प्लीज़ प्लीज सॉरी थैंक्स थैंक थँक यू सर मैडम मॅडम नंबर फोन कॉल मोबाइल लोन ईएमआई बैंक बँक पेमेंट यूपीआई ऑनलाइन ऐप अॅप \
    హలో హాయ్ ఓకే ఎస్ బై ప్లీజ్ సారీ థాంక్యూ థాంక్స్ సార్ మేడం మేడమ్ నంబర్ ఫోన్ కాల్ లోన్ పేమెంట్ \
    ஹலோ ஹாய் ஓகே யெஸ் பை ப்ளீஸ் சாரி தேங்க்யூ தேங்க்ஸ் சார் மேடம் நம்பர் போன் கால் லோன் பேமெண்ட் \
    ഹലോ ഹായ് ഓക്കേ ഓകെ ഓക്കെ യെസ് ബൈ പ്ലീസ് സോറി താങ്ക്യൂ താങ്ക്സ് സാർ സർ മാഡം നമ്പർ ഫോൺ കോൾ ലോൺ പേയ്മെന്റ് \
    ಹಲೋ ಹಾಯ್ ಓಕೆ ಎಸ್ ಬೈ ಪ್ಲೀಸ್ ಸಾರಿ ಥ್ಯಾಂಕ್ಯೂ ಥ್ಯಾಂಕ್ಸ್ ಸಾರ್ ಸರ್ ಮೇಡಂ ನಂಬರ್ ಫೋನ್ ಕಾಲ್ ಲೋನ್ ಪೇಮೆಂಟ್ \
    હેલો હલો હાય ઓકે યસ બાય પ્લીઝ સોરી થેંક્સ થેંક યુ સર મેડમ નંબર ફોન કૉલ કોલ લોન પેમેન્ટ \
    হ্যালো হাই ওকে ইয়েস বাই প্লিজ সরি থ্যাঙ্কস থ্যাংক ইউ স্যার ম্যাডাম নম্বর ফোন কল লোন পেমেন্ট \
    ਹੈਲੋ ਹੇਲੋ ਹਾਏ ਓਕੇ ਯੈੱਸ ਬਾਏ ਪਲੀਜ਼ ਸੌਰੀ ਥੈਂਕਸ ਥੈਂਕ ਯੂ ਸਰ ਮੈਡਮ ਨੰਬਰ ਫ਼ੋਨ ਕਾਲ ਲੋਨ ਪੇਮੈਂਟ \
    ହ୍ୟାଲୋ ହେଲୋ ହାଏ ଓକେ ୟେସ୍ ବାଏ ପ୍ଲିଜ୍ ସରି ଥ୍ୟାଙ୍କ୍ସ ଥ୍ୟାଙ୍କ ୟୁ ସାର୍ ମ୍ୟାଡାମ୍ ନମ୍ବର ଫୋନ୍ କଲ୍ ଲୋନ୍ ପେମେଣ୍ଟ";

/// Devanagari words whose look says nothing: numbers, months, English words.
pub(super) const NEUTRAL: &str = "एक दो तीन चार पाँच छह सात आठ नौ दस सौ हजार हज़ार लाख जनवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर \
    अक्टूबर नवंबर दिसंबर लोन फोन कॉल नंबर पेमेंट टाइम ऑफिस ब्रांच मशीन मैनेजर बैंक खून कानून मुलाकात हालात औकात शुरुआत बरसात \
    हाथ बिल मोबाइल लिंक डेट लास्ट ड्यू अमाउंट बैलेंस सैलरी एजेंट स्टेटमेंट अपॉइंटमेंट";

/// Common in Hindi and not used, or not in this spelling, in Marathi.
pub(super) const HINDI: &str = "है हैं हूँ हो था थे थीं का की के में से को ने नहीं मैं मैंने मुझे मुझको मुझसे मेरा मेरी मेरे हम हमें हमारा हमारी \
    हमारे आप आपको आपका आपकी आपके आपने आपसे तुम तुम्हें यह वह वो वे इस उस इसका उसका इसमें उसने उन्हें किस किसी किसने क्या क्यों कौन कब कहाँ कैसे कैसा कैसी \
    कितना कितने कितनी कुछ कोई और या लेकिन मगर अगर तो भी ही अभी अब फिर कल परसों यहाँ वहाँ बाद पहले साथ लिए वाला वाली वाले हाँ ना मत जी \
      सही गलत बताइए बताओ बताना बोलिए बोलो बोला बोल कहिए कहो कहा सुनिए सुनो कीजिए करिए कर करो करना करने करके दीजिए दो दिया दी दे देना लीजिए लो \
    लिया ली ले लेना चाहिए चाहता चाहती सकता सकते सकती रहा रहे रही गया गए गई हुआ हुई हुए होगा होगी होंगे जाएगा जाएगी करूँगा करूँगी भर भरना \
    पैसा पैसे रुपये किस्त तारीख महीने हफ़्ते दिन बहुत थोड़ा ज़रा ज़्यादा पूरा रुको रुकिए चलो चलिए नमस्ते शुक्रिया भाई यार मतलब बात बाकी \
    मिल मिला पता समझ बार बजे तक पास घर ऊपर नीचे लोग";

/// Common in Marathi and not used, or not in this spelling, in Hindi.
pub(super) const MARATHI: &str = "आहे आहेत आहात आहेस आहोत होतं होय नाही नाहीत नाहीये नको नका नकोय मी मला माझा माझी माझं माझे माझ्या माझ्याकडे आम्ही आम्हाला \
    आमचा आमची आमचे तू तुम्ही तुम्हाला तुमचा तुमची तुमचं तुमचे तुमच्या आपण आपला आपली आपले तो ती ते त्या त्याला तिला त्यांना त्यांचा हा ही हे ह्या या याची यांचा \
    काय काही कोण कोणी कोणता कोणती कोणतं कसा कशी कसं कसे कशाला कधी कुठे कुठून कुठला किती का केव्हा आणि पण परंतु किंवा जर तर मग म्हणून म्हणजे म्हणालात म्हणताय \
    म्हणून आत्ता उद्या परवा नंतर पूर्वी आधी इथे तिथे तिकडे इकडे सोबत साठी मध्ये मधून वर खाली बरं बरोबर चालेल नक्की अगदी खूप जरा थोडं थोडा थोडे सगळे सर्व एकदा \
    परत पुन्हा हळू सावकाश सांगा सांग सांगू बोला बोलू करा करू करतो करतोय करून केलं केला केली केले द्या दे देतो देते दिलं दिले दिला घ्या घेतलं घेतला भरा भरतो भरते \
    भरलं भरले भरला भरायचं भरायचे भरू झालं झाला झाली झाले गेलं गेला गेले येतो येते येत येईल येतं आला आलं आली आले जातो जाते जाईल होईल हवं हवा हवी हवे पाहिजे पाहिजेत \
    शकत शकतो शकते जमणार जमत समजलं समजत ऐकू आलंय थांब थांबा वेळ दिवस महिना हप्ता पैसे तारीख कर्ज रक्कम मिस्टर बायको मुलगा मुलगी आई बाबा राहू लावा ठेवा ठेव काढा \
    चूक चुकीचं चुकीचा हो ना हिंदीत मराठीत इंग्रजीत लोकं माणूस बघा बघतो   \
    असतो असते असतात ठेवतो ठेवते टाकतो टाकते पाठवा जोडा कोणत्या दिवशी सुट्टी राँग थँक थँक्स हॅलो बँक मॅडम अगं अहो हं बोलूया ऐका ऐक दाखवा मिळेल मिळाली मिळालं लागेल लागतील होईल कळलं कळत म्हटलं";

pub(super) const HINDI_ENDINGS: &[&str] =
    &["ूंगा", "ूंगी", "ेंगे", "ेंगी", "ेगा", "ेगी", "िए", "िये", "इए", "ियां", "ाओ", "ता", "ना", "कर", "ाया", "ों", "ें", "ां"];

pub(super) const MARATHI_ENDINGS: &[&str] = &[
    "तोय",
    "तेय",
    "ताय",
    "णार",
    "च्या",
    "ंचा",
    "ंची",
    "ंचे",
    "ाचा",
    "ाची",
    "ाचे",
    "ाचं",
    "ीचा",
    "ीची",
    "ीचे",
    "ीचं",
    "ांनी",
    "ाने",
    "ाला",
    "ीला",
    "ांना",
    "ात",
    "ांत",
    "ून",
    "ायचं",
    "ायचा",
    "ायची",
    "ायचे",
    "ायला",
    "लं",
    "लाय",
    "लीय",
    "लंय",
    "लेत",
    "झं",
    "मध्ये",
    "साठी",
    "पर्यंत",
    "वर",
    "कडे",
    "तलं",
    "ूया",
    "शील",
    "ईल",
    "तील",
    "ेन",
    "ेल",
    "तं",
    "तात",
];

/// English words that are not just borrowed: the small words that hold a sentence together.
pub(super) const ENGLISH: &str = "the a an is are was were am be been i me my mine we us our you your he him his she her it its they them their this \
    that these those what when where who whom whose which why how do does did done dont doesnt didnt not no nor never can cant cannot could couldnt \
    will wont would wouldnt shall should may might must have has had havent hasnt if then than and or but because so to of in on at by for from with \
    about into over after before again back also only just very much many more some any all every each other another same too please tell say said \
    speak speaking talk talking want wants need know understand hear call called calling give get got take took pay paid paying make made come go going \
    went see look help let lets yes yeah yep nope ok okay sure right wrong correct fine good morning evening afternoon night bye goodbye thanks thank \
    welcome sorry today tomorrow yesterday week month year day days time now later soon already still yet until till first last next here there money \
    loan amount due date number office branch address open close closed person human machine robot manager agent details problem wait hold stop repeat \
    slowly slower louder clear english language hello hi hey one two three new old name im ill ive youre hes shes thats whats theres id wrong busy \
    driving meeting job lost sick hospital father mother wife husband son daughter brother house home work working ya err um umm send sent share link payment receipt emi same month clear cash card cheque check message minute fifty hundred thousand rupees who";

/// Words of the others as callers and recognisers spell them in Latin letters. A word that several
/// languages share counts less for each.
pub(super) const ROMAN: &[(Lang, &str)] = &[
    (
        Lang::Hi,
        "hai hain nahi nahin nai haan han kya kyun kyu kyon kaise kaisa kaisi kitna kitne kitni kab kahan kaha kaun kaunsa kaunsi konsa kis kisko \
         kiska mujhe mujhko mera meri mere main mai maine hum hume humein hamara aap aapka aapki aapke aapko aapne tum tumhara tu ye yeh woh wo iska \
         uska isme usme batao bataiye bataye batana boliye bolo bolna bolte bol kaho kahiye karo karna kar kiya kijiye karke karte karta karti karunga \
         karungi dena dene do diya di de dunga dungi denge dijiye lena liya lijiye raha rahe rahi hoon hun hu tha thi the ji bhai bhaiya yaar theek thik \
         accha acha achha abhi ab paisa paise rupaye ka ki ke ko se mein me par tak wala wali wale bhi hi toh to aur ya lekin magar agar matlab phir fir \
         baad pehle kal aaj parso chahiye chahta ruko rukiye suno suniye gaya gayi gaye kuch koi bahut bohot zara jara thoda thodi sakta sakte sakti hoga \
         hogi ho hua hui mat na sahi galat kaam ghar wapas dobara baar samajh pata naam baat karni bharna bharo bhar bharunga jama kist tareekh tarikh \
         mahine hafte din der samay namaste dhanyavad dhanyavaad shukriya kripya chalo chaliye arre are band aadmi milega lagega padega chuka chuki \
         deejiye bhejo bhejiye wahi yahi yahan wahan apna apne sab \
         bilkul rehne alvida bata bhej khula khuli rahega rahegi laana batane liye karne malum maloom shayad dheere samjhao samjha bulao chalega chalegi sakoge bolunga bolungi kariye deta deti jaunga lagta lagti mila nikal gayab jaldi sab log unko usko inko kyonki zaroor jarur bas waqt mushkil",
    ),
    (
        Lang::Mr,
        "aahe ahe aahet ahet nahi nahit nako nakoy mi mee mala maza majha mazi majhi mazya tumhi tumhala tumcha tumchi amhi aamhi amhala kay kaay kasa \
         kashi kadhi kuthe kon konta konti kiti pahije pahijet have hava ani aani pan kinva mag mhanje mhanun udya parva nantar atta ithe tithe sathi \
         madhe madhye bara barobar chalel nakki khup jara thoda sanga bola kara karto karte kela keli kele dya deto dete dila ghya bharto bharte bharla \
         zala zali jhala jhali gela geli gele yeto yete yeil aala aali hoil havi shakto shakte shakat samajla aiku thamba thamb vel ho hoy ka \
            hota hoti hote parat punha halu haluhalu paise divas mahina hapta kuthun karun mhanala \
         bolaa",
    ),
    (
        Lang::Gu,
        "che chhe chu chhu chho cho nathi mane maru mari mara tame tamaru tamari tamne ame amaru hu shu su sun kem kyare kyan kya kon kone ketla ketlu ketli \
         joie joiye joie karo kari karu karish karsho bolo kaho apo aapo aapi api didha didhu didhi lidhi lidhu ane pan kale aaje pachi pachhi have \
         hamna hamnaa atyare thodo thodi thodu saru saaru barabar bhai ben paisa hapto tarikh hato hati hatu thai thay thayu gayo gayi gayu bharish bharyo \
         bhari nahi na haa ha majama kem evu aavu pelu peli fari pharithi dhime jara khabar mukjo karjo karvu joitu sudhi mate thi ma nu ni no",
    ),
    (
        Lang::Pa,
        "haan haanji ji nahi nahin mainu menu mera meri mere main tusi tussi tuhanu tuhada tuhadi asi assi sanu sada saada ki kive kiven kidda kadon kado \
         kithe kitthe kaun kinna kinne kinni kehda kehra chahida chahidi karo kar kardo dasso daso das bolo gall gal karni te par kal kall ajj aj hun hune \
         baad theek thik changa vich wich da di de nu ne ton to han haigi hega hai si san oh eh aho ahoji sat sri akal paji bhaji veer veerji ditta dita \
         ditti dittey deyo deo dena laina lao gaya gayi gaye rahe reha rahi karda kardi kardey hona hovega hauli phir fer mud",
    ),
    (
        Lang::Bn,
        "ami amar amake amader apni apnar apnake apnader tumi tomar ki keno kobe kokhon kothay koto kotota ke kon na hyan hya hain haan ache achhe nei noy \
         hobe hocche korbo korben korun korte korchi bolun bolben bolchi bolchen bolte din dilam diyechi dite debo debe dicchi taka ekhon ekhoni kal aaj \
         pore bhalo thik ar ebong kintu lagbe parbo parbona parchi chai chaina jani janina bujhte bujhlam bujhlam shunun shunte shono dada didi mashe \
         mase kisti poristhiti ekta ektu abar theke jonno sathe songe te ota eta seta oi   ",
    ),
    (
        Lang::Or,
        "mu mun mora mote mo ame amara apana apananka apananku tume ki kana kan kahinki kebe keunthi keun kete kie nahi nahin nahi ni nuhe han hau hau achi \
         achhi acchi heba hebani karibi karibe karantu kari kuhantu kahantu kahibe diantu dia debi deichi deisarichi tanka ebe kali aji aaji pare bhala \
         thik kintu darkar jama kisti masa tarikha bujhili bujhini sunantu agyan agya namaskar juhara sahita ehi sei eita seita \
         tike pani thare puni ",
    ),
    (
        Lang::Ta,
        "naan nan enakku enaku ennoda ennudaiya neenga ninga unga ungal ungaluku enna yenna yen eppo eppa eppadi epdi enga enge yaaru yaar evlo evalo \
         evvalavu ethana illa illai aama ama aamaa aamanga iruku irukku irukken iruken irukanga pannunga pannu panna pannanum panren pannren pannitten \
         sollunga sollu solla solren sonna sonninga kudunga kodunga kudu panam kaasu ippo ippa inniku innaiku naalaiku nalaiku naalaikku appuram apram \
         apparam sari seri sariya romba konjam vendam venam venum vennum vendum mudiyathu mudiyadhu mudiyum mudiyala kattitten kattiten kattanum kattuven \
         katren kattunga kattiyachu pesa pesunga pesanum pesuren theriyathu theriyum theriyala puriyala puriyuthu kekala kekkuthu vandhu vanthu vanga \
         vaanga ponga podu indha antha andha inga anga ithu idhu athu adhu thaan than thambi anna akka vanakkam nandri mattum kooda koopidunga koopdunga \
         thirumba marupadi methuva velai veedu maasam masam vaaram naal neram irunga nillunga ille nga",
    ),
    (
        Lang::Te,
        "nenu naaku naku naa nannu meeru miru mee meeku manam memu enti emiti yenti em emi enduku eppudu ekkada evaru entha enta ela elaa ledu leda kaadu \
         kadu avunu avunandi undi unnanu unna unnaru unnayi cheyandi cheyyandi chesanu chesina chestanu chesta cheppandi cheppu cheppaaru chepparu ivvandi \
         ivvu istanu ista dabbulu dabbu ippudu repu eeroju ivala ninna tarvata tarwata taruvata tharvatha sare sarle chala chaala konchem koncham vaddu \
         vadhu kavali kavaali kaavali kattanu kattesanu kattali kadatanu kadtha matladandi matladali matladtunna matladu telusu teliyadu ardham artham \
         kaledu kaaledu vinapadaledu malli mallee garu andi andhi babu akka anna namaskaram dhanyavadalu mellaga nemmadiga nela vaaram roju adi idi ee aa \
         kada ante lo ki ku nunchi tho agandi aagandi randi vellandi undandi pettandi okka oka inka",
    ),
    (
        Lang::Kn,
        "naanu nanu nanage nanige nange nanna namma neevu nivu nimma nimage nimge enu yenu yen yaake yake yaavaga yavaga elli yelli yaaru yaru eshtu yeshtu \
         hege heege illa illaa alla houdu haudu howdu houdri ide idhe idini iddini idde idare maadi madi maadu madu madtini maadtini maadthini maadbedi heli \
         helu heltini helthini helri kodi kodu kodtini koditini duddu hana eega iga ega naale nale ivattu ivatthu ninne amele aamele aamelae sari saari tumba \
         thumba swalpa swalpaa beda beku bekagide gottilla gottu gothilla kattidini kattini kattideeni katbeku kattabeku maatadi matadi mathadi maatadbeku \
         artha aagilla agilla aglilla keliskondilla kelsthilla mattomme matte nidhaana nidhanavagi nillisi nilli namaskara dhanyavada tingalu tingla \
         vaara dina gante adu idu aa ee alli nalli alva ",
    ),
    (
        Lang::Ml,
        "njan njaan njangal enikku enikk enik enikku ente enne ningal ningalude ningalkku ningalku nee entha enthaa enthanu enthu enth enthina enthinu eppol \
         eppo eppozha evide evideya evidannu aaru aara aaranu ethra etra ethraya illa illaa alla athe athey aanu anu anallo und undu undo undallo cheyyu \
         cheyyam cheythu cheyyamo cheyyano parayu parayoo para paranju parayamo paranjolu tharu tharam tharamo tharaam paisa panam ippol ippo ippozhum nale \
         naale innu innale pinne pinneed sheri seri shari valare kurachu kurach venda venam veno vendaa ariyilla ariyam ariyamo adachu adakkam adaykkam \
         adakkaam adaykkan vilikku vilikkoo vilikkam vilichu samsarikkam samsarikku samsarikkanam manasilayi manassilayi manasilayilla kettilla kelkkunnilla \
         onnu onnukoodi koodi veendum pathukke mathi pattilla pattumo pattum chetta chechi namaskaram nanni aayi aayirunnu aano alle allo kazhinju athu ithu \
         oru masam divasam samayam vannu varu varaam poyi nokku nokkatte nilkku nirthu thanne mon mol ille ennu kaaranam",
    ),
];

/// Whole words that mark a dialect region; the catalogue of Malayalam has them with their meaning.
pub(super) const MALAYALAM_DIALECTS: &[(&str, &str)] = &[
    (
        "travancore",
        "എന്തരാ,എന്തര്,എന്തുവാ,എന്നാ ഒണ്ട്,തോനെ,അണ്ണൻ,അപ്പി,തള്ളേ,പൊളപ്പൻ,വോ തന്നെ,അല്ലീ,\
         കേട്ടാ,ചെല്ലക്കിളി,വെക്കം,ലവൻ,ലവള്,ലത്,ലവിടെ,അറിഞ്ഞൂടാ,മരച്ചീനി,എന്തരാണ്,\
         എന്തരിന്,ഇപ്പം,അണ്ണാ,അറിഞ്ഞൂട,പൊളപ്പ്,ഉവ്വേ,അങ്ങേര്,ഒണ്ട്,കേട്ടല്ല്,പറഞ്ഞല്ല്,\
         അടച്ചല്ല്",
    ),
    (
        "malabar",
        "ഓൻ,ഓള്,ഓല്,ഇങ്ങള്,ഞമ്മള്,ഇച്ച്,അനക്ക്,എന്തേയ്നു,ബരാം,ബേണ്ട,കായി,തിരിഞ്ഞില്ല,പറയീ,\
         മോന്തി,പൂള,പുതിയാപ്ല,മൊഞ്ച്,ബേജാറ്,കുടുങ്ങീക്ക്ണ്,ആട,ഈട,ഏട്യാ,ഓന്,ഓളെ,ഓന്റെ,ഓലെ,\
         ഇങ്ങളെ,ഇങ്ങൾക്ക്,ഞമ്മക്ക്,ഞമ്മള,ഞമ്മളെ,ഇച്ചെ,ബരണം,ബന്നു,ബരുന്നു,എന്തേനും,ഏട്ന്നാ,\
         ഏടെ,ഏട,ബിളിക്ക്,വിളിച്ചോളീ,മോന്തിക്ക്,ഓര്,ബേജാറാവണ്ട,പുരേല്,അറീല,അടച്ച്ക്ക്ണ്,\
         ബണ്ടി,ബീട്,ബീട്ടിൽ",
    ),
    (
        "cochin",
        "ഗഡി,ഗഡ്യേ,ഇഷ്ടാ,എന്തൂട്ടാ,എന്തൂട്ട്,എന്തൂട്ടിനാ,നുമ്മ,നുമ്മടെ,മച്ചാനേ,മ്മ്ടെ,\
         ഇല്ല്യ,ഇല്ല്യാട്ടാ,ക്ടാവ്,ഒരൂസം,ഇങ്ങട്,അങ്ങട്,ഡാവ്,ചുള്ളൻ,വരണണ്ട്,എന്തൂട്ടിന്,\
         നുമ്മക്ക്,നുമ്മള്,മ്മക്ക്,മ്മള്,ഇല്ല്യാ,ഗഡീ,മച്ചാ,മച്ചാന്,മച്ചാൻ,ഗഡ്യേയ്,എവിട്യാ,\
         എന്തൂട്ടേ,ഇല്ല്യേ,വന്നൂട്ടാ,അടച്ചൂട്ടാ,മനസ്സിലായില്ല്യ,തിരക്കാട്ടാ,അടച്ചതാട്ടാ",
    ),
];
