"""What the people, companies and places of the sample are called, by country.

Common names come from public rankings; rarer family names are composed of parts as real ones are (Ash+ford,
Stein+bach, Yama+moto), so that a million people do not share two hundred names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """One country's vocabulary.

    share: of the contacts. family_parts: (beginnings, endings) of composed names; family_two: two family
    names are usual. street: format with {name}, {kind}, {number}. mobiles: patterns after the calling code; ~
    stands for the city's area code. cities: (city, region, postcode pattern, landline pattern: area code, space,
    number); in patterns # is a digit, % one of 1-9, & one of 2-9, @ a letter. America's come from its ZIP codes.
    """

    code: str
    name: str
    calling_code: str
    currency: str
    domain: str
    share: float
    female: tuple[str, ...]
    male: tuple[str, ...]
    family: tuple[str, ...]
    family_parts: tuple[tuple[str, ...], tuple[str, ...]]
    street: str
    street_names: tuple[str, ...]
    street_kinds: tuple[str, ...]
    mobiles: tuple[str, ...]
    legal_forms: tuple[str, ...]
    cities: tuple[tuple[str, str, str, str], ...]
    family_two: bool = False


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip().replace("_", " ") for part in text.split())


def _cities(text: str) -> tuple[tuple[str, str, str, str], ...]:
    rows = [tuple(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines()]
    return tuple((city, region, postcode, area) for city, region, postcode, area in rows)


UNITED_STATES = Country(
    "US", "United States", "1", "USD", "com", 0.55,
    _split("""
        Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Margaret
        Sandra Ashley Kimberly Emily Donna Michelle Carol Amanda Dorothy Melissa Deborah Stephanie Rebecca
        Sharon Laura Cynthia Kathleen Amy Angela Shirley Anna Brenda Pamela Emma Nicole Helen Samantha
        Katherine Christine Debra Rachel Carolyn Janet Catherine Maria Heather Diane Ruth Julie Olivia Joyce
        Virginia Victoria Kelly Lauren Christina Joan Evelyn Judith Megan Andrea Cheryl Hannah Jacqueline
        Martha Gloria Teresa Ann Sara Madison Frances Kathryn Janice Jean Abigail Alice Julia Judy Sophia
        Grace Denise Amber Doris Marilyn Danielle Beverly Isabella Theresa Diana Natalie Brittany Charlotte
        Marie Kayla Alexis Lori"""),
    _split("""
        James Robert John Michael David William Richard Joseph Thomas Christopher Charles Daniel Matthew
        Anthony Mark Donald Steven Andrew Paul Joshua Kenneth Kevin Brian George Timothy Ronald Jason Edward
        Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel
        Gregory Alexander Patrick Frank Raymond Jack Dennis Jerry Tyler Aaron Jose Adam Nathan Henry Zachary
        Douglas Peter Kyle Noah Ethan Jeremy Walter Christian Keith Roger Terry Austin Sean Gerald Carl
        Harold Dylan Arthur Lawrence Jordan Jesse Bryan Billy Bruce Gabriel Joe Logan Alan Juan Albert
        Willie Elijah Wayne Randy Vincent Mason Roy Ralph Bobby Russell Bradley Philip Eugene"""),
    _split("""
        Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez
        Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark
        Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams
        Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz Parker
        Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Morgan Cooper
        Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood James
        Bennett Gray Mendoza Ruiz Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross Foster O'Brien
        McDonald O'Connor Sullivan Fisher Vasquez Hayes Bryant Romero Kaminski Cohen Schwartz"""),
    (_split("""
        Ash Black Bradley Brook Clay Cross Dun East Fair Gold Green Hart Hazel Hol Kings Lang Mar Mill Nor
        Oak Pem Pres Red Rock Ruther Shel Silver Stan Stone Sun Thorn Under Wald Wake Wells West Whit Win
        Wood York"""),
     _split("""
        by born brook bury cott dale den don field ford gate ham hurst land ley low man more sey shaw son
        stead ston ton wald ward well wick wood worth""")),
    "{number} {name} {kind}",
    _split("""
        Main Oak Maple Cedar Elm Pine Washington Lake Hill Walnut Spring North Ridge Church Park Chestnut
        Lincoln Jackson Madison Jefferson Franklin Highland Meadow Forest River Sunset Willow Mill Cherry
        Dogwood Locust Center Prospect Union Broad Market Grove Hickory Laurel Birch Spruce Valley Pleasant
        Liberty College Cherokee Magnolia Sycamore Poplar Monroe Adams Colonial Country_Club Fairway
        Deer_Run Old_Mill Stone_Creek"""),
    _split("""
        Street Street Street Avenue Avenue Road Road Drive Drive Lane Court Boulevard Place Way Circle
        Terrace"""),
    ("~&######",),
    _split("Inc. LLC LLC Corp. Inc. Co. LP"),
    (),
)  # fmt: skip

UNITED_KINGDOM = Country(
    "GB", "United Kingdom", "44", "GBP", "co.uk", 0.10,
    _split("""
        Olivia Amelia Isla Ava Lily Freya Poppy Ella Charlotte Sophie Emily Jessica Grace Florence Alice
        Harriet Eleanor Lucy Holly Megan Bethany Georgia Chloe Hannah Zoe Claire Tracey Julie Fiona Gillian
        Heather Alison"""),
    _split("""
        Oliver George Harry Noah Jack Leo Arthur Oscar Archie Henry Thomas Freddie Alfie Charlie Edward
        Callum Liam Connor Rhys Gareth Nigel Graham Stuart Alistair Ian Colin Duncan Simon Neil Adrian Clive
        Trevor"""),
    _split("""
        Smith Jones Williams Taylor Davies Brown Evans Wilson Thomas Johnson Roberts Robinson Thompson
        Wright Walker White Edwards Hughes Green Hall Lewis Harris Clarke Patel Jackson Wood Turner Martin
        Cooper Hill Ward Morris Moore Clark Khan Baker Harrison King Morgan Allen James Scott Phillips
        Watson Davis Parker Bennett Price"""),
    (_split("""
        Ash Black Brad Car Chol Col Comp Dar Ear Fair Gra Har Hol Kirk Lang Mar Nor Pem Rad Shef Stan Thorn
        Wal Whit"""),
     _split("""
        bourne bury by combe croft dale den field ford ham head hurst ley mere mondeley more ston stone
        thwaite ton well wick worth""")),
    "{number} {name} {kind}",
    _split("""
        High Station Victoria Church London Park Albert Queen's King's Mill Manor Chapel Grange Windsor
        School York Alexandra Springfield Stanley George Highfield Kingsway Broadway Meadow Orchard Cromwell
        Nelson Wellington"""),
    _split("Road Road Street Street Lane Avenue Close Drive Gardens Crescent Terrace"),
    ("74########", "75########", "78########", "79########"),
    _split("Ltd Ltd PLC LLP Limited"),
    _cities("""London|Greater London|SW1% #@@|207 %######
        London|Greater London|EC1% #@@|208 %######
        Manchester|Greater Manchester|M1% #@@|161 8######
        Birmingham|West Midlands|B1% #@@|121 2######
        Leeds|West Yorkshire|LS1% #@@|113 2######
        Glasgow|Lanarkshire|G1% #@@|141 2######
        Edinburgh|Midlothian|EH1% #@@|131 2######
        Bristol|Bristol|BS1% #@@|117 9######
        Liverpool|Merseyside|L1% #@@|151 2######
        Cardiff|South Glamorgan|CF1% #@@|29 20######
        Sheffield|South Yorkshire|S1% #@@|114 2######
        Nottingham|Nottinghamshire|NG1% #@@|115 9######"""),
)  # fmt: skip

GERMANY = Country(
    "DE", "Germany", "49", "EUR", "de", 0.09,
    _split("""
        Maria Ursula Monika Petra Sabine Renate Karin Helga Brigitte Ingrid Claudia Susanne Anja Katrin
        Julia Anna Lena Sarah Laura Leonie Hannah Mia Emma Sophie Johanna Birgit Andrea Stefanie Martina
        Gisela Käthe Bärbel"""),
    _split("""
        Peter Michael Wolfgang Thomas Klaus Jürgen Andreas Stefan Christian Uwe Frank Martin Markus Günter
        Dieter Jan Lukas Felix Jonas Leon Paul Finn Maximilian Tobias Sebastian Matthias Jörg Bernd Holger
        Ralf Torsten Björn"""),
    _split("""
        Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer
        Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt
        Werner Krause Meier Lehmann Köhler Maier Jäger Groß Vogel Weiß Yilmaz Kaya Nowak Winkler Lorenz Böhm
        Kühn Fuchs Voigt Sauer Arnold Pohl"""),
    (_split("""
        Alten Blumen Brand Breiten Eichen Falken Franken Grün Hasel Hirsch Kalten Kirch Lichten Linden Mühl
        Neu Ober Rosen Schön Silber Stein Sommer Tannen Unter Wald Weiden Winter"""),
     _split("""
        bach bauer baum beck berg berger burg dorf feld fels hagen hauer hauser heim hof hofer mann mayer
        müller stein thal wald""")),
    "{name}{kind} {number}",
    _split("""
        Haupt Bahnhof Schul Garten Dorf Berg Linden Kirch Wald Ring Goethe Schiller Mozart Bismarck Rosen
        Wiesen Birken Mühlen Post Eichen Park Blumen Kastanien Friedhof Industrie Markt See Ahorn Buchen
        Tannen"""),
    _split("straße straße straße straße weg weg allee gasse ring"),
    ("151########", "160#######", "171#######", "175#######", "176########"),
    _split("GmbH GmbH GmbH AG GmbH_&_Co._KG KG"),
    _cities("""Berlin|Berlin|101%#|30 %#######
        Hamburg|Hamburg|203%#|40 %#######
        München|Bayern|803%#|89 %#######
        Köln|Nordrhein-Westfalen|506%#|221 %######
        Frankfurt am Main|Hessen|603%#|69 %#######
        Stuttgart|Baden-Württemberg|701%#|711 %######
        Düsseldorf|Nordrhein-Westfalen|402%#|211 %######
        Leipzig|Sachsen|041%#|341 %######
        Dortmund|Nordrhein-Westfalen|441%#|231 %######
        Bremen|Bremen|281%#|421 %######
        Dresden|Sachsen|010%#|351 %######
        Nürnberg|Bayern|904%#|911 %######
        Hannover|Niedersachsen|301%#|511 %######"""),
)  # fmt: skip

FRANCE = Country(
    "FR", "France", "33", "EUR", "fr", 0.07,
    _split("""
        Marie Nathalie Isabelle Sylvie Catherine Françoise Valérie Christine Monique Sophie Camille Léa
        Manon Chloé Emma Julie Céline Aurélie Émilie Stéphanie Sandrine Hélène Brigitte Véronique Inès Jade
        Louise Alice Anne-Marie"""),
    _split("""
        Jean Pierre Michel André Philippe Alain Bernard Nicolas François Christophe Laurent Julien Thomas
        Antoine Hugo Lucas Louis Gabriel Raphaël Jules Adam Théo Mathieu Sébastien Frédéric Éric Olivier
        Jérôme Jean-Luc Rémi"""),
    _split("""
        Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel
        Garcia David Bertrand Roux Vincent Fournier Morel Girard André Lefèvre Mercier Dupont Lambert Bonnet
        François Martinez Legrand Garnier Faure Rousseau Blanc Guérin Müller Henry Roussel Nicolas Perrin
        Morin Gauthier Lemaire Benoît"""),
    (_split("""
        Beau Bel Bois Bon Chante Château Clair Cour De Fon Gran La Mal Mont Neuf Ori Pon Rou Saint- Vau
        Ville"""),
     _split("""
        bert blanc champ clair court fort geon lieu loup mont neuf pré seau soleil taine teau val vert ville
        vin""")),
    "{number} {kind} {name}",
    _split("""
        de_la_République Victor_Hugo de_l'Église du_Moulin de_la_Gare des_Écoles Pasteur Jean_Jaurès
        de_la_Paix du_Général_de_Gaulle des_Lilas de_Verdun Gambetta du_Château de_la_Liberté des_Roses
        Voltaire du_Stade Jean_Moulin des_Vignes de_la_Fontaine Émile_Zola Jules_Ferry des_Acacias de_Paris
        du_Maréchal_Foch"""),
    _split("rue rue rue rue avenue boulevard place chemin impasse"),
    ("6%#######",),
    _split("SARL SAS SA SASU EURL"),
    _cities("""Paris|Île-de-France|7500%|1 4#######
        Paris|Île-de-France|7501%|1 5#######
        Lyon|Auvergne-Rhône-Alpes|6900%|4 72######
        Marseille|Provence-Alpes-Côte d'Azur|1300%|4 91######
        Toulouse|Occitanie|31000|5 61######
        Nice|Provence-Alpes-Côte d'Azur|06000|4 93######
        Nantes|Pays de la Loire|44000|2 40######
        Strasbourg|Grand Est|67000|3 88######
        Bordeaux|Nouvelle-Aquitaine|33000|5 56######
        Lille|Hauts-de-France|59000|3 20######
        Rennes|Bretagne|35000|2 99######"""),
)  # fmt: skip

SPAIN = Country(
    "ES", "Spain", "34", "EUR", "es", 0.05,
    _split("""
        María Carmen Ana Isabel Laura Cristina Marta Lucía Paula Elena Pilar Dolores Raquel Rosa Sara Andrea
        Alba Beatriz Silvia Nuria Irene Patricia Montserrat Rocío Mónica Alicia Inmaculada Begoña"""),
    _split("""
        Antonio José Manuel Francisco David Juan Javier Daniel Carlos Alejandro Miguel Rafael Pablo Ángel
        Sergio Fernando Jorge Luis Alberto Álvaro Adrián Diego Raúl Iván Rubén Óscar Andrés Joaquín Ramón"""),
    _split("""
        García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández
        Díaz Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez
        Serrano Blanco Molina Morales Suárez Ortega Delgado Castro Ortiz Rubio Marín Sanz Núñez Iglesias
        Medina Garrido Cortés"""),
    ((), ()),
    "{kind} {name}, {number}",
    _split("""
        Mayor Real del_Sol de_la_Constitución San_Juan Nueva de_Alcalá Cervantes Goya de_la_Iglesia Colón
        Velázquez del_Carmen de_la_Paz Gran_Vía del_Mar San_Antonio Santa_Ana de_España Serrano Murillo
        Andalucía de_Valencia"""),
    _split("Calle Calle Calle Calle Avenida Plaza Paseo Camino"),
    ("6########", "71#######", "72#######"),
    _split("S.L. S.L. S.A. S.L.U."),
    _cities("""Madrid|Madrid|280%#|91 %######
        Barcelona|Barcelona|080%#|93 %######
        Valencia|Valencia|460%#|96 3######
        Sevilla|Sevilla|410%#|95 4######
        Zaragoza|Zaragoza|500%#|976 2#####
        Málaga|Málaga|290%#|95 2######
        Bilbao|Vizcaya|480%#|94 4######
        Murcia|Murcia|300%#|968 2#####"""),
    family_two=True,
)  # fmt: skip

BRAZIL = Country(
    "BR", "Brazil", "55", "BRL", "com.br", 0.05,
    _split("""
        Maria Ana Francisca Antônia Adriana Juliana Márcia Fernanda Patrícia Aline Sandra Camila Amanda
        Bruna Jéssica Letícia Júlia Luciana Vanessa Mariana Gabriela Larissa Beatriz Simone Cristiane
        Cláudia Débora"""),
    _split("""
        José João Antônio Francisco Carlos Paulo Pedro Lucas Luiz Marcos Gabriel Rafael Daniel Marcelo Bruno
        Eduardo Felipe Rodrigo Manoel Mateus André Fernando Fábio Leonardo Gustavo Guilherme Leandro Tiago
        Anderson Ricardo"""),
    _split("""
        Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins
        Carvalho Almeida Lopes Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes
        Marques Machado Mendes Freitas Cardoso Ramos Gonçalves Santana Teixeira Araújo Melo Correia Pinto
        Monteiro Batista Campos Cavalcanti"""),
    ((), ()),
    "{kind} {name}, {number}",
    _split("""
        das_Flores São_José Quinze_de_Novembro Sete_de_Setembro Tiradentes Santo_Antônio Dom_Pedro_II
        Duque_de_Caxias Rui_Barbosa Santos_Dumont Brasil Paraná Bela_Vista da_Paz das_Palmeiras
        Getúlio_Vargas Presidente_Vargas Amazonas Castro_Alves José_Bonifácio Rio_Branco São_João"""),
    _split("Rua Rua Rua Rua Avenida Avenida Travessa"),
    ("~9########",),
    _split("Ltda Ltda S.A. EIRELI ME"),
    _cities("""São Paulo|SP|01%##-###|11 3#######
        Rio de Janeiro|RJ|20%##-###|21 2#######
        Belo Horizonte|MG|30%##-###|31 3#######
        Salvador|BA|40%##-###|71 3#######
        Curitiba|PR|80%##-###|41 3#######
        Porto Alegre|RS|90%##-###|51 3#######
        Recife|PE|50%##-###|81 3#######
        Fortaleza|CE|60%##-###|85 3#######
        Brasília|DF|70%##-###|61 3#######"""),
    family_two=True,
)  # fmt: skip

INDIA = Country(
    "IN", "India", "91", "INR", "in", 0.04,
    _split("""
        Priya Neha Pooja Anjali Sunita Kavita Ananya Divya Aishwarya Lakshmi Meena Rekha Shreya Swati Nisha
        Deepika Ritu Radha Geeta Sneha Aditi Ishita Kavya Nandini Shalini Vandana Usha Fatima"""),
    _split("""
        Rahul Amit Rajesh Suresh Sanjay Vijay Anil Deepak Ravi Arjun Aarav Vivaan Aditya Rohan Karan Manish
        Ashok Sunil Mahesh Ramesh Prakash Vikram Nikhil Siddharth Harish Mohan Ganesh Imran"""),
    _split("""
        Kumar Sharma Singh Patel Gupta Verma Reddy Nair Mehta Shah Joshi Rao Iyer Das Mishra Pandey Yadav
        Chopra Kapoor Malhotra Agarwal Bose Banerjee Mukherjee Chatterjee Desai Kulkarni Pillai Menon Naidu
        Khan Ansari Bhat"""),
    (_split("Bhatta Chandra Deva Gopala Hari Jaya Krishna Maha Nara Rama Shri Subra Surya Venkata Vira"),
     _split("charya kar lal murthy nath pal raj ram raman sagar swamy yan")),
    "{number}, {name} {kind}",
    _split("""
        Mahatma_Gandhi Nehru Station Park Temple Market Gandhi Church Brigade Residency Link Lake Ring
        Nehru_Nagar Shivaji Tilak Patel Rajaji Subhash Vivekananda Ashoka Sarojini"""),
    _split("Road Road Road Street Marg Nagar Lane"),
    ("98########", "99########", "97########", "88########", "70########"),
    _split("Pvt._Ltd. Pvt._Ltd. Ltd. LLP"),
    _cities("""Mumbai|Maharashtra|4000%#|22 2#######
        Delhi|Delhi|1100%#|11 2#######
        Bengaluru|Karnataka|5600%#|80 2#######
        Chennai|Tamil Nadu|6000%#|44 2#######
        Kolkata|West Bengal|7000%#|33 2#######
        Hyderabad|Telangana|5000%#|40 2#######
        Pune|Maharashtra|4110%#|20 2#######
        Ahmedabad|Gujarat|3800%#|79 2#######"""),
)  # fmt: skip

JAPAN = Country(
    "JP", "Japan", "81", "JPY", "co.jp", 0.02,
    _split("""
        Yoko Keiko Akiko Sakura Yui Aoi Hina Haruka Misaki Nanami Rina Mei Emi Kumiko Naoko Yumi Tomoko
        Mayumi Kaori Ayumi Hiroko Michiko Asuka Chihiro"""),
    _split("""
        Hiroshi Kenji Takashi Yuki Haruto Sota Ren Kaito Daiki Takumi Shota Kenta Makoto Satoshi Tsuyoshi
        Akira Kazuki Ryo Naoki Hideki Masato Koji Shinji Osamu"""),
    _split("""
        Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki
        Yamaguchi Matsumoto Inoue Kimura Hayashi Shimizu Saito Mori Abe Ikeda Hashimoto Ishikawa Ogawa Goto
        Okada Hasegawa"""),
    (_split("""
        Aki Ara Fuji Haya Hira Ishi Kawa Kita Kuro Matsu Mina Miya Mizu Naka Nishi Oka Saka Shima Taka Tani
        Tomi Yama"""),
     _split("""
        da gami guchi hara hashi kawa ki moto mura naga no saka saki shima shita ta tani uchi ya zaki""")),
    "{number} {name}{kind}",
    _split("""
        Sakura Honcho Chuo Midori Asahi Hikari Sumiyoshi Minami Kita Higashi Nishi Matsuba Umeda Namba
        Shinmachi"""),
    ("-cho", "-dori", "-machi", ""),
    ("90%#######", "80%#######"),
    _split("K.K. K.K. G.K. Co.,_Ltd."),
    _cities("""Tokyo|Tokyo|10%-00##|3 3#######
        Osaka|Osaka|53%-00##|6 6#######
        Nagoya|Aichi|45%-00##|52 2######
        Yokohama|Kanagawa|22%-00##|45 2######
        Sapporo|Hokkaido|06%-00##|11 2######
        Fukuoka|Fukuoka|81%-00##|92 4######
        Kyoto|Kyoto|60%-80##|75 2######"""),
)  # fmt: skip

POLAND = Country(
    "PL", "Poland", "48", "PLN", "pl", 0.03,
    _split("""
        Anna Maria Katarzyna Małgorzata Agnieszka Barbara Ewa Krystyna Elżbieta Magdalena Joanna Aleksandra
        Zofia Monika Teresa Danuta Natalia Julia Karolina Marta Beata Dorota Halina Jadwiga Iwona"""),
    _split("""
        Piotr Krzysztof Andrzej Tomasz Paweł Jan Michał Marcin Jakub Adam Łukasz Grzegorz Mateusz Wojciech
        Mariusz Dariusz Zbigniew Rafał Maciej Kamil Jerzy Robert Szymon Stanisław Sławomir"""),
    _split("""
        Nowak Wójcik Kowalczyk Woźniak Mazur Krawczyk Kaczmarek Zając Król Wieczorek Wróbel Stępień Pawlak
        Dudek Adamczyk Sikora Baran Szewczyk Pietrzak Walczak Bąk Kubiak Kucharczyk Michalak Wilk"""),
    (_split("""
        Kowal Wiśniew Lewandow Kamiń Zieliń Szymań Dąbrow Kozłow Jankow Wojciechow Kwiatkow Piotrow Grabow
        Pawłow Michal Wróblew Jabłoń Majew Olszew Jawor Malinow Gór Rutkow Sadow Ostrow"""),
     ("ski",)),
    "{kind} {name} {number}",
    _split("""
        Polna Leśna Słoneczna Krótka Szkolna Ogrodowa Lipowa Brzozowa Łąkowa Kwiatowa Kościelna Sosnowa
        Zielona Parkowa Akacjowa Kolejowa Mickiewicza Sienkiewicza Kościuszki Piłsudskiego Słowackiego Długa"""),
    ("ul.", "ul.", "ul.", "al."),
    ("50#######", "60#######", "69#######", "79#######", "88#######"),
    _split("Sp._z_o.o. Sp._z_o.o. S.A. Sp._j."),
    _cities("""Warszawa|Mazowieckie|00-%##|22 %######
        Kraków|Małopolskie|30-%##|12 %######
        Łódź|Łódzkie|90-%##|42 %######
        Wrocław|Dolnośląskie|50-%##|71 %######
        Poznań|Wielkopolskie|60-%##|61 %######
        Gdańsk|Pomorskie|80-%##|58 %######
        Lublin|Lubelskie|20-%##|81 %######"""),
)  # fmt: skip

COUNTRIES = (UNITED_STATES, UNITED_KINGDOM, GERMANY, FRANCE, SPAIN, BRAZIL, INDIA, JAPAN, POLAND)

NICKNAMES = {
    name: tuple(short.split("/"))
    for name, short in (
        pair.split(":")
        for pair in [
            "William:Bill/Will",
            "Robert:Bob/Rob",
            "James:Jim/Jimmy",
            "John:Jack/Johnny",
            "Michael:Mike",
            "Richard:Rick/Dick",
            "Thomas:Tom",
            "Joseph:Joe",
            "Charles:Charlie/Chuck",
            "Christopher:Chris",
            "Daniel:Dan/Danny",
            "Matthew:Matt",
            "Anthony:Tony",
            "Steven:Steve",
            "Andrew:Andy/Drew",
            "Kenneth:Ken",
            "Joshua:Josh",
            "Edward:Ed/Ted",
            "Ronald:Ron",
            "Timothy:Tim",
            "Jeffrey:Jeff",
            "Benjamin:Ben",
            "Samuel:Sam",
            "Gregory:Greg",
            "Alexander:Alex",
            "Patrick:Pat",
            "Nicholas:Nick",
            "Jonathan:Jon",
            "Lawrence:Larry",
            "Elizabeth:Liz/Beth/Betty",
            "Jennifer:Jen/Jenny",
            "Patricia:Pat/Trish",
            "Barbara:Barb",
            "Susan:Sue",
            "Jessica:Jess",
            "Margaret:Maggie/Peggy",
            "Kimberly:Kim",
            "Deborah:Debbie",
            "Stephanie:Steph",
            "Rebecca:Becky",
            "Catherine:Cathy/Kate",
            "Katherine:Kathy/Kate",
            "Christine:Chris/Tina",
            "Victoria:Vicky",
            "Samantha:Sam",
            "Pamela:Pam",
            "Cynthia:Cindy",
            "Theresa:Terri",
            "Francisco:Paco",
            "José:Pepe",
            "Antonio:Toni",
            "Manuel:Manolo",
            "Wolfgang:Wolf",
            "Maximilian:Max",
            "Johanna:Hanna",
            "Sebastian:Basti",
            "Katarzyna:Kasia",
            "Małgorzata:Gosia",
            "Aleksandra:Ola",
            "Krzysztof:Krzysiek",
            "Tomasz:Tomek",
            "Francisca:Chica",
            "Eduardo:Edu",
            "Nathalie:Nath",
            "Philippe:Phil",
            "Frédéric:Fred",
            "Siddharth:Sid",
            "Aishwarya:Aish",
        ]
    )
}

INDUSTRIES = _split("""
        Manufacturing Retail Healthcare Software Construction Logistics Finance Education Hospitality Energy
        Agriculture Media""")
COMPANY_WORDS = _split("""
        Alpine Apex Atlas Aurora Beacon Blue_River Bright Capital Cascade Cedar Central Citadel Clear
        Coastal Compass""")
COMPANY_TRADES = {
    "Manufacturing": _split("Industries Tools Plastics Metalworks Components Machinery"),
    "Retail": _split("Stores Trading Outfitters Markets Supply Goods"),
    "Healthcare": _split("Medical Clinic Pharma Health Dental Care"),
    "Software": _split("Software Systems Data Labs Technologies Digital"),
    "Construction": _split("Construction Builders Contracting Roofing Engineering Homes"),
    "Logistics": _split("Logistics Freight Transport Shipping Couriers Warehousing"),
    "Finance": _split("Capital Insurance Partners Advisors Finance Holdings"),
    "Education": _split("Academy Learning Institute Schools Training Press"),
    "Hospitality": _split("Hotels Catering Resorts Kitchens Brewing Travel"),
    "Energy": _split("Energy Power Solar Utilities Fuels Wind"),
    "Agriculture": _split("Farms Foods Seeds Dairy Orchards Mills"),
    "Media": _split("Media Studios Publishing Design Broadcasting Creative"),
}
JOB_TITLES = (
    "Sales Manager",
    "Account Executive",
    "Purchasing Manager",
    "Chief Executive Officer",
    "Marketing Director",
    "Office Manager",
    "Software Engineer",
    "Operations Manager",
    "Accountant",
    "Head of Procurement",
    "Project Manager",
    "Consultant",
    "Human Resources Manager",
    "Chief Financial Officer",
    "IT Director",
    "Customer Service Representative",
    "Owner",
    "Engineer",
    "Buyer",
    "Controller",
)
PUBLIC_MAIL = ("gmail.com", "gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com")
LEAD_SOURCES = _split("Web Web Referral Trade_Show Phone_Inquiry Partner Advertisement")
OWNERS = tuple(
    f"{name}" for name in _split("Dana_Whitfield Luis_Ortega Mei_Tanaka Priya_Nair Tom_Becker Claire_Fournier")
)
