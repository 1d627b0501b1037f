//! Names of people in many scripts, each next to its spelling in an address, and other words of a company.

/// A culture: how its people are called, where they work, and which name comes first.
pub(super) struct Culture {
    pub(super) language: &'static str,
    pub(super) country: &'static str,
    pub(super) country_code: &'static str,
    pub(super) city: &'static str,
    pub(super) street: &'static str,
    pub(super) dial: &'static str,
    pub(super) family_first: bool,
    pub(super) given: &'static [(&'static str, &'static str)],
    pub(super) family: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip]
pub(super) const CULTURES: &[Culture] = &[
    Culture {
        language: "en-US", country: "United States", country_code: "US", city: "Seattle", street: "Pike Street", dial: "+1 206 555", family_first: false,
        given: &[("Megan", "megan"), ("Isaiah", "isaiah"), ("Grady", "grady"), ("Patti", "patti"), ("Lidia", "lidia"), ("Mary-Jane", "mary-jane"), ("Nestor", "nestor"), ("D'Angelo", "d'angelo"), ("Joni", "joni"), ("Lynne", "lynne")],
        family: &[("Bowen", "bowen"), ("Langer", "langer"), ("Archie", "archie"), ("Fernandez", "fernandez"), ("O'Brien", "o'brien"), ("Holloway-Smith", "holloway-smith"), ("van der Berg", "vanderberg"), ("Wilke", "wilke"), ("McAllister", "mcallister"), ("Sherman Jr.", "sherman")],
    },
    Culture {
        language: "de-DE", country: "Deutschland", country_code: "DE", city: "München", street: "Große Straße", dial: "+49 89 5550", family_first: false,
        given: &[("Jürgen", "juergen"), ("Käthe", "kaethe"), ("Björn", "bjoern"), ("Anneliese", "anneliese"), ("Günther", "guenther"), ("Zoë", "zoe"), ("Klaus-Dieter", "klaus-dieter"), ("Sörine", "soerine")],
        family: &[("Müller", "mueller"), ("Weiß", "weiss"), ("Schröder", "schroeder"), ("Freiherr von Groß", "gross"), ("Jäger", "jaeger"), ("Lößl", "loessl"), ("Hübner", "huebner"), ("Özdemir", "oezdemir")],
    },
    Culture {
        language: "fr-FR", country: "France", country_code: "FR", city: "Orléans", street: "rue de l'Église", dial: "+33 2 55 50", family_first: false,
        given: &[("François", "francois"), ("Hélène", "helene"), ("Loïc", "loic"), ("Maëlys", "maelys"), ("Jean-Noël", "jean-noel"), ("Aurélie", "aurelie"), ("Éric", "eric"), ("Inès", "ines")],
        family: &[("Lefèvre", "lefevre"), ("D'Aubigné", "d'aubigne"), ("Müller-Côté", "muller-cote"), ("Garçon", "garcon"), ("L'Hôpital", "l'hopital"), ("Œuvrard", "oeuvrard"), ("Benoît", "benoit"), ("Forêt", "foret")],
    },
    Culture {
        language: "es-ES", country: "España", country_code: "ES", city: "Logroño", street: "Calle Ñuño", dial: "+34 941 55", family_first: false,
        given: &[("José", "jose"), ("María Ángeles", "mariaangeles"), ("Íñigo", "inigo"), ("Begoña", "begona"), ("Andrés", "andres"), ("Lucía", "lucia"), ("Raúl", "raul"), ("Noemí", "noemi")],
        family: &[("Núñez Peña", "nunezpena"), ("García Márquez", "garciamarquez"), ("Ibáñez", "ibanez"), ("Agüero", "aguero"), ("Muñoz", "munoz"), ("Cañizares", "canizares"), ("Güell", "guell"), ("López", "lopez")],
    },
    Culture {
        language: "pl-PL", country: "Polska", country_code: "PL", city: "Łódź", street: "ulica Świętokrzyska", dial: "+48 42 555", family_first: false,
        given: &[("Łukasz", "lukasz"), ("Grażyna", "grazyna"), ("Paweł", "pawel"), ("Zdzisław", "zdzislaw"), ("Małgorzata", "malgorzata"), ("Bożena", "bozena"), ("Krzysztof", "krzysztof"), ("Śławomir", "slawomir")],
        family: &[("Wiśniewski", "wisniewski"), ("Dąbrowska", "dabrowska"), ("Żółkiewski", "zolkiewski"), ("Brzęczyszczykiewicz", "brzeczyszczykiewicz"), ("Wójcik", "wojcik"), ("Jabłońska", "jablonska"), ("Źródło", "zrodlo"), ("Kaczyński", "kaczynski")],
    },
    Culture {
        language: "tr-TR", country: "Türkiye", country_code: "TR", city: "İzmir", street: "Çınar Sokağı", dial: "+90 232 555", family_first: false,
        given: &[("İbrahim", "ibrahim"), ("Ayşe", "ayse"), ("Işıl", "isil"), ("Çağrı", "cagri"), ("Gülşen", "gulsen"), ("Uğur", "ugur"), ("Şükrü", "sukru"), ("Ilgın", "ilgin")],
        family: &[("Yıldırım", "yildirim"), ("Öztürk", "ozturk"), ("Kılıç", "kilic"), ("Şahin", "sahin"), ("Çelik", "celik"), ("İnönü", "inonu"), ("Güneş", "gunes"), ("Doğan", "dogan")],
    },
    Culture {
        language: "ru-RU", country: "Россия", country_code: "RU", city: "Казань", street: "улица Баумана", dial: "+7 843 555", family_first: false,
        given: &[("Анна", "anna"), ("Дмитрий", "dmitriy"), ("Юлия", "yuliya"), ("Семён", "semyon"), ("Екатерина", "ekaterina"), ("Пётр", "pyotr"), ("Ольга", "olga"), ("Игорь", "igor")],
        family: &[("Щербакова", "shcherbakova"), ("Королёв", "korolyov"), ("Жуковский", "zhukovskiy"), ("Чехов", "chekhov"), ("Объедков", "obedkov"), ("Соловьёва", "solovyova"), ("Хрущёв", "khrushchyov"), ("Ершов", "yershov")],
    },
    Culture {
        language: "el-GR", country: "Ελλάδα", country_code: "GR", city: "Θεσσαλονίκη", street: "οδός Αριστοτέλους", dial: "+30 231 555", family_first: false,
        given: &[("Γιώργος", "giorgos"), ("Ελένη", "eleni"), ("Νίκος", "nikos"), ("Άννα", "anna"), ("Αλέξανδρος", "alexandros"), ("Χρήστος", "christos"), ("Ιωάννα", "ioanna"), ("Ζωή", "zoi")],
        family: &[("Παπαδόπουλος", "papadopoulos"), ("Οικονόμου", "oikonomou"), ("Γεωργίου", "georgiou"), ("Αγγελής", "angelis"), ("Ψαρράς", "psarras"), ("Ξενάκης", "xenakis"), ("Μαρκάκης", "markakis"), ("Κώνστας", "konstas")],
    },
    Culture {
        language: "ar-EG", country: "مصر", country_code: "EG", city: "القاهرة", street: "شارع التحرير", dial: "+20 2 555", family_first: false,
        given: &[("محمد", "mohamed"), ("فاطمة", "fatma"), ("عمر", "omar"), ("ليلى", "laila"), ("يوسف", "youssef"), ("نور", "nour"), ("عبد الله", "abdallah"), ("مريم", "mariam")],
        family: &[("الشريف", "elsherif"), ("حسن", "hassan"), ("المصري", "elmasry"), ("عبد الرحمن", "abdelrahman"), ("فاروق", "farouk"), ("ابن سينا", "ibnsina"), ("القاضي", "elkady"), ("نجيب", "naguib")],
    },
    Culture {
        language: "he-IL", country: "ישראל", country_code: "IL", city: "חיפה", street: "רחוב הרצל", dial: "+972 4 555", family_first: false,
        given: &[("נועה", "noa"), ("אורי", "uri"), ("תמר", "tamar"), ("יונתן", "yonatan"), ("שירה", "shira"), ("איתי", "itai"), ("רחל", "rachel"), ("דוד", "david")],
        family: &[("כהן", "cohen"), ("לוי", "levi"), ("מזרחי", "mizrahi"), ("בן דוד", "bendavid"), ("פרץ", "peretz"), ("גולדשטיין", "goldstein"), ("שפירא", "shapira"), ("אוחיון", "ohayon")],
    },
    Culture {
        language: "hi-IN", country: "भारत", country_code: "IN", city: "पुणे", street: "महात्मा गांधी मार्ग", dial: "+91 20 555", family_first: false,
        given: &[("आरव", "aarav"), ("प्रिया", "priya"), ("विक्रम", "vikram"), ("श्रीनिवास", "shrinivas"), ("अनन्या", "ananya"), ("कृष्ण", "krishna"), ("दीप्ति", "dipti"), ("राजेश", "rajesh")],
        family: &[("शर्मा", "sharma"), ("कुलकर्णी", "kulkarni"), ("सिंह", "singh"), ("चट्टोपाध्याय", "chattopadhyay"), ("अय्यर", "iyer"), ("देशमुख", "deshmukh"), ("पटेल", "patel"), ("मिश्रा", "mishra")],
    },
    Culture {
        language: "zh-CN", country: "中国", country_code: "CN", city: "上海", street: "南京东路", dial: "+86 21 5550", family_first: true,
        given: &[("伟", "wei"), ("秀英", "xiuying"), ("建国", "jianguo"), ("丽华", "lihua"), ("小明", "xiaoming"), ("雪", "xue"), ("志强", "zhiqiang"), ("𠮷祥", "jixiang")],
        family: &[("王", "wang"), ("李", "li"), ("欧阳", "ouyang"), ("诸葛", "zhuge"), ("陈", "chen"), ("吕", "lv"), ("黄", "huang"), ("司马", "sima")],
    },
    Culture {
        language: "ja-JP", country: "日本", country_code: "JP", city: "大阪", street: "御堂筋", dial: "+81 6 5550", family_first: true,
        given: &[("さくら", "sakura"), ("健太", "kenta"), ("花子", "hanako"), ("ユウキ", "yuki"), ("慎一郎", "shinichiro"), ("美咲", "misaki"), ("大輔", "daisuke"), ("恵", "megumi")],
        family: &[("佐藤", "sato"), ("髙橋", "takahashi"), ("渡邉", "watanabe"), ("東海林", "shoji"), ("小鳥遊", "takanashi"), ("伊藤", "ito"), ("斎藤", "saito"), ("五十嵐", "igarashi")],
    },
    Culture {
        language: "ko-KR", country: "대한민국", country_code: "KR", city: "부산", street: "해운대로", dial: "+82 51 555", family_first: true,
        given: &[("서연", "seoyeon"), ("민준", "minjun"), ("지우", "jiwoo"), ("현우", "hyunwoo"), ("은지", "eunji"), ("도윤", "doyun"), ("하늘", "haneul"), ("영희", "younghee")],
        family: &[("김", "kim"), ("이", "lee"), ("박", "park"), ("남궁", "namgung"), ("최", "choi"), ("정", "jung"), ("황보", "hwangbo"), ("독고", "dokgo")],
    },
    Culture {
        language: "vi-VN", country: "Việt Nam", country_code: "VN", city: "Đà Nẵng", street: "đường Trần Phú", dial: "+84 236 555", family_first: true,
        given: &[("Thị Hương", "thihuong"), ("Đức", "duc"), ("Quỳnh", "quynh"), ("Văn Tuấn", "vantuan"), ("Ngọc Ánh", "ngocanh"), ("Dũng", "dung"), ("Yến", "yen"), ("Bảo", "bao")],
        family: &[("Nguyễn", "nguyen"), ("Trần", "tran"), ("Phạm", "pham"), ("Đặng", "dang"), ("Vũ", "vu"), ("Lê", "le"), ("Hoàng", "hoang"), ("Ngô", "ngo")],
    },
    Culture {
        language: "is-IS", country: "Ísland", country_code: "IS", city: "Ísafjörður", street: "Aðalstræti", dial: "+354 555", family_first: false,
        given: &[("Þórður", "thordur"), ("Guðrún", "gudrun"), ("Æsa", "aesa"), ("Sæþór", "saethor"), ("Björk", "bjork"), ("Ólafur", "olafur"), ("Sigríður", "sigridur"), ("Örn", "orn")],
        family: &[("Jónsdóttir", "jonsdottir"), ("Þorsteinsson", "thorsteinsson"), ("Guðmundsson", "gudmundsson"), ("Æsudóttir", "aesudottir"), ("Ólafsson", "olafsson"), ("Sigurðardóttir", "sigurdardottir"), ("Hafþórsson", "hafthorsson"), ("Blöndal", "blondal")],
    },
];

pub(super) const DEPARTMENTS: &[&str] = &[
    "Sales",
    "Engineering",
    "Finance",
    "Human Resources",
    "Marketing",
    "Legal & Compliance",
    "Operations",
    "Customer Support",
    "Research \"Blue Sky\"",
    "Facilities, Fleet",
];

pub(super) const JOB_TITLES: &[&str] = &[
    "Analyst",
    "Engineer",
    "Senior Engineer",
    "Account Manager",
    "Team Lead",
    "Director",
    "Consultant",
    "Assistant",
    "Specialist",
    "Intern",
];

pub(super) const GROUP_WORDS: &[&str] = &[
    "Project Aurora",
    "VPN Users",
    "Büro München",
    "Équipe Données",
    "プロジェクト",
    "Отдел продаж",
    "Security Champions",
    "R&D / Prototypes",
    "Café Committee",
    "Quarter-End Close",
    "Contractors",
    "Ops On-Call",
];

/// Whose guests come from where.
pub(super) const PARTNERS: &[&str] = &["fabrikam.com", "adatum.com", "litware.co.uk"];
