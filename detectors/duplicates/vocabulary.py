"""Words that say the same: short forms of given names, legal forms, street types, titles.

General knowledge, several countries; small on purpose: a wrong synonym costs more than a missing one.
"""

from __future__ import annotations

_NICKNAMES = """
alexander alex sandy sasha xander al lex; alexandra alex sandra sasha lexi; abigail abby gail; abraham abe;
albert al bert bertie; alfred fred alf alfie; andrew andy drew andre; andreas andi andy; anna ann anne annie
hanna; annabelle belle anna; anthony tony antonio toni; antoinette toni netta; arthur art artie; barbara barb
babs bobbie; bartholomew bart; benjamin ben benny benji; bernard bernie; bradley brad; bridget biddy bridie;
brenda bren; caroline carol carrie lina; cassandra cass cassie sandra; catherine katherine kathryn kate katie
kathy cathy cath kat kitty kay katharine kathleen; cecilia celia cissy; charles charlie chuck chas carl;
charlotte lottie charlie; christian chris; christina chris tina christine kristina chrissie; christopher chris
kit topher; clarence clare; clifford cliff; cynthia cindy; daniel dan danny; david dave davey davy; deborah deb
debbie debra; dennis denny; dmitri dima mitya; dominic dom nick; dolores lola; donald don donny; dorothy dot
dottie dolly; douglas doug; edmund ed eddie ned; edward ed eddie ted teddy ned; edwin ed eddie; eleanor ellie
nell nora elinor; elizabeth liz lizzie beth betty betsy eliza lisa elisabeth libby bess; emily em emmy millie;
emma em emmy; ernest ernie; esther essie hester; eugene gene; evelyn evie eve; ferdinand ferdi fernando;
florence flo flossie; frances fran fanny francesca; francis frank fran francisco paco pancho; franklin frank;
franz franzi; frederick fred freddie freddy rick fritz friedrich; gabriel gabe; gabriella gabby ella; geoffrey
jeffrey geoff jeff; george georgie jorge; gerald gerry jerry; gerard gerry jerry; gertrude gert trudy; gilbert
gil bert; giovanni gianni vanni; giuseppe beppe peppe; gregory greg; guillermo memo; gustav gus; guadalupe lupe;
hannah hanna; harold harry hal; harriet hattie; helen nell nellie lena helena ellen; henry harry hank hal
heinrich heinz; herbert herb bert; howard howie; hubert hugh bert; humphrey hum; ignacio nacho; isaac ike zack;
isabel bella izzy isabella isabelle belle; ivan vanya; jacob jake jack; jacqueline jackie jacqui; james jim
jimmy jamie jem; jane janie jenny jean; janet jan jenny; jennifer jen jenny jenn; jeremy jerry jem; jerome
jerry; jessica jess jessie; joan joanie; joanna jo joanne; johannes hans hannes; john jack johnny jon ian;
jonathan jon jonny john nathan; joseph joe joey jo; josephine jo josie; joshua josh; jose pepe; juan juanito;
judith judy jude; julia julie jules; julian jules; justin jus; karl carl; kenneth ken kenny; kimberly kim;
konstantin kostya; lawrence larry laurie laurence lars; leonard leo len lenny; leopold leo poldi; leslie les;
lewis louis lou louie; lillian lily lil; louise lou; lucy lu lucille; ludwig lutz; luis lucho; manuel manolo
manny; margaret meg maggie peg peggy marge margie greta rita madge; maria mary mia marie; mark marc marcus;
martha marty patty; martin marty; matilda tilly mattie; matthew matt matty; matthias matt; maximilian max maxi;
melissa mel missy lisa; michael mike mick mickey mikey; michelle shelly chelle; mikhail misha; mildred millie;
mohammed muhammad mohamed mohammad mo; nancy nan; natalia natasha nata; nathan nate nat; nathaniel nate nat
nathan; nicholas nick nicky nicolas nikolas klaus; nicole nicky nikki; nikolai kolya; oliver ollie; olivia liv
livvy; oscar ossie; pamela pam; patricia pat patty tricia trish patsy; patrick pat paddy rick; paul pauly pablo;
paula polly; penelope penny; peter pete pedro; philip phillip phil pip; phyllis phyl; rachel rae; ralph rafe;
randall randy; raymond ray; rebecca becky becca; reginald reg reggie; richard rick ricky dick rich richie
dickie; robert bob bobby rob robbie bert robb; roberta bobbie; roderick rod rick; rodney rod; roger rodge;
roland rolly; ronald ron ronnie; rosario charo; rosemary rose rosie romy; roxanne roxie; rudolf rudi rolf;
russell russ; samantha sam sammy; samuel sam sammy; sarah sara sally sadie; sebastian seb bastian basti; sergei
seryozha; sharon shari; sidney sid; simon si; sofia sophia sophie sonia; solomon sol; stanley stan; stefan
steffen steve stephan; stephanie steph stefanie steffi; stephen steven steve stevie; susan sue suzy susie
susanna suzanne susannah; tabitha tabby; teresa theresa terry tess tessa; theodore ted teddy theo; thomas tom
tommy; timothy tim timmy; tobias toby; valerie val; veronica ronnie vera; victor vic; victoria vicky tori vic;
vincent vince vinny; virginia ginny ginger; vladimir volodya vova; walter walt wally; wendy wen; wilhelm willi
willy; william bill billy will willie liam willy; winifred winnie; yevgeny zhenya; yvonne vonnie; zachary zach
zack zac
"""

NICKNAMES: dict[str, tuple[int, ...]] = {}
"""Given name -> the groups of short forms it belongs to ("alex" belongs to two)."""
for _group, _line in enumerate(_NICKNAMES.split(";")):
    for _name in _line.split():
        NICKNAMES[_name] = (*NICKNAMES.get(_name, ()), _group)

_TITLES = """
mr mrs ms miss mister dr prof professor sir madam mme mlle m herr frau sr sra srta don dona sig signora rev hon
capt lt col ing dipl mag mgr bc dott dra
"""
TITLES = frozenset(_TITLES.split())
"""Before a full name."""

_SUFFIXES = """
jr sr ii iii iv jnr snr phd md esq cpa mba dds rn msc bsc mph
"""
SUFFIXES = frozenset(_SUFFIXES.split())
"""After a full name."""

_LEGAL_FORMS = """
inc incorporated llc ltd limited corp corporation co company gmbh ag kg ohg ug mbh plc llp lp sa sarl sas srl
spa bv nv ab as oy aps sl slu sp zoo pty pvt kk sro doo kft sae ev eg gbr cv lda ltda cia se the and of und et y
e de
"""
LEGAL_FORMS = frozenset(_LEGAL_FORMS.split())
"""Words of a company's name that rarely tell companies apart."""

_SAME_WORDS = """
street st str strasse stret; avenue ave av avn aven; road rd; boulevard blvd boul bvd; drive dr drv; lane ln;
court ct crt; place pl plc; square sq; terrace ter tce terr; highway hwy; parkway pkwy pky; circle cir circ;
crescent cres cr cresent; close cl; north n; south s; east e; west w; northeast ne; northwest nw; southeast se;
southwest sw; apartment apt; suite ste; building bldg; floor fl; saint snt; mount mt; fort ft; center ctr centre
cntr cen; school sch; university univ; association assn assoc; international intl; manufacturing mfg; department
dept; services svcs service svc; technologies tech technology; brothers bros; company co; corporation corp;
incorporated inc; limited ltd; gesellschaft ges; kindergarten kdg; community comm; development dev; children
childrens; management mgmt; government govt; national natl; hospital hosp; platz pltz; weg wg; allee all; calle
c; avenida avda; carrer cr; via v; piazza pza; rue r; chaussee chs; ulica ul
"""

SAME_WORDS: dict[str, str] = {}
"""Short form -> the word it stands for, in addresses and companies' names."""
for _line in _SAME_WORDS.split(";"):
    _first, *_others = _line.split()
    for _other in _others:
        SAME_WORDS.setdefault(_other, _first)
