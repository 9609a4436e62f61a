//! The stations. Coordinates are in millionths of a degree, time zones are IANA names.

/// A station as the table `stations` has it.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) city: &'static str,
    pub(crate) region: &'static str,
    /// ISO 3166-1, two letters.
    pub(crate) country: &'static str,
    pub(crate) latitude: i32,
    pub(crate) longitude: i32,
    pub(crate) zone: &'static str,
}

/// One station in a line: code, name, city, region, country, latitude, longitude, time zone.
const fn at(
    [code, name, city, region, country]: [&'static str; 5],
    [latitude, longitude]: [i32; 2],
    zone: &'static str,
) -> Station {
    Station { code, name, city, region, country, latitude, longitude, zone }
}

#[rustfmt::skip]
pub(crate) const STATIONS: &[Station] = &[
    at(["ROM", "Roma Termini", "Roma", "Lazio", "IT"], [41_900_833, 12_501_944], "Europe/Rome"),
    at(["MIL", "Milano Centrale", "Milano", "Lombardia", "IT"], [45_486_111, 9_204_444], "Europe/Rome"),
    at(["VEN", "Venezia Santa Lucia", "Venezia", "Veneto", "IT"], [45_441_111, 12_320_833], "Europe/Rome"),
    at(["FIR", "Firenze Santa Maria Novella", "Firenze", "Toscana", "IT"], [43_776_389, 11_248_056], "Europe/Rome"),
    at(["NAP", "Napoli Centrale", "Napoli", "Campania", "IT"], [40_852_778, 14_273_056], "Europe/Rome"),
    at(["TOR", "Torino Porta Nuova", "Torino", "Piemonte", "IT"], [45_062_222, 7_678_611], "Europe/Rome"),
    at(["BOL", "Bologna Centrale", "Bologna", "Emilia-Romagna", "IT"], [44_505_833, 11_343_056], "Europe/Rome"),
    at(["VER", "Verona Porta Nuova", "Verona", "Veneto", "IT"], [45_428_889, 10_982_500], "Europe/Rome"),
    at(["PLY", "Paris Gare de Lyon", "Paris", "Île-de-France", "FR"], [48_844_722, 2_373_611], "Europe/Paris"),
    at(["PNO", "Paris Gare du Nord", "Paris", "Île-de-France", "FR"], [48_880_833, 2_355_278], "Europe/Paris"),
    at(["PMP", "Paris Montparnasse", "Paris", "Île-de-France", "FR"], [48_840_556, 2_319_444], "Europe/Paris"),
    at(["LYO", "Lyon Part-Dieu", "Lyon", "Auvergne-Rhône-Alpes", "FR"], [45_760_556, 4_859_444], "Europe/Paris"),
    at(["MRS", "Marseille Saint-Charles", "Marseille", "Provence-Alpes-Côte d'Azur", "FR"], [43_302_778, 5_380_278], "Europe/Paris"),
    at(["BOR", "Bordeaux Saint-Jean", "Bordeaux", "Nouvelle-Aquitaine", "FR"], [44_825_833, -556_667], "Europe/Paris"),
    at(["BER", "Berlin Hauptbahnhof", "Berlin", "Berlin", "DE"], [52_525_000, 13_369_444], "Europe/Berlin"),
    at(["MUC", "München Hauptbahnhof", "München", "Bayern", "DE"], [48_140_278, 11_558_333], "Europe/Berlin"),
    at(["HAM", "Hamburg Hauptbahnhof", "Hamburg", "Hamburg", "DE"], [53_552_778, 10_006_389], "Europe/Berlin"),
    at(["FRA", "Frankfurt (Main) Hauptbahnhof", "Frankfurt am Main", "Hessen", "DE"], [50_106_944, 8_662_500], "Europe/Berlin"),
    at(["KLN", "Köln Hauptbahnhof", "Köln", "Nordrhein-Westfalen", "DE"], [50_943_056, 6_958_889], "Europe/Berlin"),
    at(["NUE", "Nürnberg Hauptbahnhof", "Nürnberg", "Bayern", "DE"], [49_445_556, 11_082_500], "Europe/Berlin"),
    at(["WIE", "Wien Hauptbahnhof", "Wien", "Wien", "AT"], [48_185_278, 16_375_833], "Europe/Vienna"),
    at(["SZG", "Salzburg Hauptbahnhof", "Salzburg", "Salzburg", "AT"], [47_812_778, 13_045_556], "Europe/Vienna"),
    at(["INN", "Innsbruck Hauptbahnhof", "Innsbruck", "Tirol", "AT"], [47_263_333, 11_400_833], "Europe/Vienna"),
    at(["GRZ", "Graz Hauptbahnhof", "Graz", "Steiermark", "AT"], [47_072_500, 15_416_667], "Europe/Vienna"),
    at(["ZUE", "Zürich Hauptbahnhof", "Zürich", "Zürich", "CH"], [47_377_778, 8_540_278], "Europe/Zurich"),
    at(["GEN", "Genève-Cornavin", "Genève", "Genève", "CH"], [46_210_278, 6_142_500], "Europe/Zurich"),
    at(["BSL", "Basel SBB", "Basel", "Basel-Stadt", "CH"], [47_547_500, 7_589_444], "Europe/Zurich"),
    at(["BXL", "Bruxelles-Midi", "Bruxelles", "Bruxelles-Capitale", "BE"], [50_835_833, 4_336_111], "Europe/Brussels"),
    at(["AMS", "Amsterdam Centraal", "Amsterdam", "Noord-Holland", "NL"], [52_378_889, 4_900_278], "Europe/Amsterdam"),
    at(["LUX", "Luxembourg", "Luxembourg", "Luxembourg", "LU"], [49_600_000, 6_133_889], "Europe/Luxembourg"),
    at(["LON", "London St Pancras International", "London", "Greater London", "GB"], [51_530_000, -125_278], "Europe/London"),
    at(["KGX", "London King's Cross", "London", "Greater London", "GB"], [51_530_833, -122_778], "Europe/London"),
    at(["EDI", "Edinburgh Waverley", "Edinburgh", "Scotland", "GB"], [55_952_222, -3_189_444], "Europe/London"),
    at(["BFS", "Belfast Grand Central", "Belfast", "Northern Ireland", "GB"], [54_594_722, -5_939_722], "Europe/London"),
    at(["DUB", "Dublin Connolly", "Dublin", "Leinster", "IE"], [53_351_389, -6_250_000], "Europe/Dublin"),
    at(["LIS", "Lisboa Santa Apolónia", "Lisboa", "Lisboa", "PT"], [38_713_889, -9_122_500], "Europe/Lisbon"),
    at(["POR", "Porto Campanhã", "Porto", "Norte", "PT"], [41_148_611, -8_585_556], "Europe/Lisbon"),
    at(["MAD", "Madrid Puerta de Atocha", "Madrid", "Comunidad de Madrid", "ES"], [40_406_667, -3_690_833], "Europe/Madrid"),
    at(["BCN", "Barcelona Sants", "Barcelona", "Catalunya", "ES"], [41_379_167, 2_140_000], "Europe/Madrid"),
    at(["SVQ", "Sevilla Santa Justa", "Sevilla", "Andalucía", "ES"], [37_391_944, -5_975_556], "Europe/Madrid"),
    at(["KBH", "København H", "København", "Hovedstaden", "DK"], [55_672_778, 12_564_444], "Europe/Copenhagen"),
    at(["STO", "Stockholm Central", "Stockholm", "Stockholms län", "SE"], [59_330_278, 18_058_056], "Europe/Stockholm"),
    at(["GOT", "Göteborg Central", "Göteborg", "Västra Götaland", "SE"], [57_708_889, 11_973_333], "Europe/Stockholm"),
    at(["MMO", "Malmö Central", "Malmö", "Skåne", "SE"], [55_609_167, 13_000_833], "Europe/Stockholm"),
    at(["OSL", "Oslo S", "Oslo", "Oslo", "NO"], [59_910_833, 10_752_778], "Europe/Oslo"),
    at(["BGO", "Bergen stasjon", "Bergen", "Vestland", "NO"], [60_390_556, 5_333_056], "Europe/Oslo"),
    at(["HEL", "Helsingin päärautatieasema", "Helsinki", "Uusimaa", "FI"], [60_171_944, 24_941_389], "Europe/Helsinki"),
    at(["TRE", "Tampere", "Tampere", "Pirkanmaa", "FI"], [61_498_611, 23_773_333], "Europe/Helsinki"),
    at(["OUL", "Oulu", "Oulu", "Pohjois-Pohjanmaa", "FI"], [65_011_667, 25_484_167], "Europe/Helsinki"),
    at(["WAW", "Warszawa Centralna", "Warszawa", "Mazowieckie", "PL"], [52_228_889, 21_003_333], "Europe/Warsaw"),
    at(["KRK", "Kraków Główny", "Kraków", "Małopolskie", "PL"], [50_067_222, 19_947_500], "Europe/Warsaw"),
    at(["GDN", "Gdańsk Główny", "Gdańsk", "Pomorskie", "PL"], [54_355_556, 18_644_444], "Europe/Warsaw"),
    at(["PRG", "Praha hlavní nádraží", "Praha", "Praha", "CZ"], [50_083_056, 14_435_556], "Europe/Prague"),
    at(["BRQ", "Brno hlavní nádraží", "Brno", "Jihomoravský kraj", "CZ"], [49_190_833, 16_612_778], "Europe/Prague"),
    at(["BTS", "Bratislava hlavná stanica", "Bratislava", "Bratislavský kraj", "SK"], [48_158_889, 17_106_389], "Europe/Bratislava"),
    at(["BUD", "Budapest-Keleti", "Budapest", "Budapest", "HU"], [47_500_278, 19_083_889], "Europe/Budapest"),
    at(["LJU", "Ljubljana", "Ljubljana", "Osrednjeslovenska", "SI"], [46_058_056, 14_511_111], "Europe/Ljubljana"),
    at(["ZAG", "Zagreb Glavni kolodvor", "Zagreb", "Zagreb", "HR"], [45_804_722, 15_978_889], "Europe/Zagreb"),
    at(["BUH", "București Nord", "București", "București", "RO"], [44_446_944, 26_074_444], "Europe/Bucharest"),
    at(["ATH", "Αθήνα, Σταθμός Λαρίσης", "Αθήνα", "Αττική", "GR"], [37_992_222, 23_721_111], "Europe/Athens"),
    at(["SKG", "Θεσσαλονίκη", "Θεσσαλονίκη", "Κεντρική Μακεδονία", "GR"], [40_644_722, 22_929_444], "Europe/Athens"),
];
