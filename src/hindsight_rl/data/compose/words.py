"""The words in composed constraints and the words of witnesses. All lists are our own.

Keywords and fillers share no word, and no keyword stands inside another or inside a filler, so that a count of one is
not a count of another.
"""

from __future__ import annotations

# Common nouns, verbs and adjectives: keywords, first and last words.
_KEYWORDS = """
anchor apron autumn bakery balcony basket beacon blanket blossom bottle branch breeze bridge bucket butter button
cabin camera candle canoe canvas carpet castle ceiling cellar cherry chimney cinema circle climb clock cloud coffee
copper cottage cotton cradle crystal curtain dance desert diamond dinner doctor dolphin donkey dragon drawer dream
drum eagle elbow engine evening fabric falcon farmer feather fence ferry festival fiddle flame flute fountain
freckle galaxy garlic gentle giant ginger glacier glove grandma gravel guitar hammer harbour harvest hazel hedge
helmet honey horizon hunter island jacket jewel jigsaw journey jungle kettle kitten ladder lantern laugh lemon
library lizard locket magnet maple marble market meadow melody mirror monkey mosaic mountain muffin museum needle
nephew notebook nutmeg ocean olive onion orbit orchard oyster paddle palace pancake parade parrot parsley pebble
pencil pepper piano picnic pigeon pillow pirate planet pocket polish puzzle quarry quilt rabbit radish raven ribbon
river rocket saddle saffron salmon sandal school scissors shadow shelter silver singer sketch skyline sparrow spiral
squirrel stadium statue summer sunset swallow teacher temple thunder ticket tiger timber tractor travel treasure
trumpet tulip tunnel turtle umbrella valley velvet vessel village violin volcano voyage waffle walnut wander weather
whisper willow window winter wizard zebra
"""

# Words that answers use often: worth forbidding.
_FREQUENT = """
about after also always amazing because before best better can could different easy enjoy every experience feel find
first for from fun get give good great happy have help hope however important into just keep know like little long
love make many more most much need never new often only other our over people perfect place please really share
should simple some something special take thank that their them there these things think this time together try use
very want way well when which who will with wonderful work would years you your
"""

# What witness responses are filled with. Function words of English stand among them, as detection counts them.
_FUNCTION_WORDS = """
the and of to is that with for was are this it you on be by have not from they his her which or your will can would
their what were we when there has been an as at my she he if but so about into our them than then these those who
how its out up just like more do does
"""

# Short words without a keyword in them.
_FILLERS = """
able above acid acre actor aim air alive amber angle apple arch army ask atlas aunt bag bake bald ball band bank
bark bath bay bead beam bean bear bed bee bell belt bench big bike bird blue board boat body bold bone book boot
bowl box bread brick bright brown brush cake call calm camp cap card cart case cat chair chalk cheap chef chess
child chin city clay clean clear cliff club coach coal coast coat coin cold cook cool corn cost cow crab cream crop
crowd cup curve dark date dawn day deal deep deer desk dish dog door dove down draw dress dry duck dusk dust early
earth east edge eight empty equal event exact face fact fair fall farm fast felt field fine fire fish five flag flat
floor flour fly foam fog folk food foot fork form four fox free fresh frog fruit full game gap gate gift girl glad
glass goal goat gold grain grape grass gray green ground group grow guest half hall hand hard hat hawk head heart
heat herb hill hot hour house huge ice idea inch ink inn iron jam jar jazz job join joke joy juice jump keen key
kind king kite knee knot lake lamp land large last late lawn leaf lean left leg lid light lily lime lion list live
loaf local loud low luck lunch main map mask meal mice mild milk mill mind mint mist moon moss mouse mud music nail
narrow near neat nest net nice night nine north nose note nut oak oat odd oil old open oven owl pace page paint pair
palm pan paper park path peach pear pen pine pink pipe plain plan plum poem point pond pool port post pure quick
quiet quite race rain ranch rare raw red rest rice rich ride right ring ripe road robin rock roof room root rope
rose round row ruby rug safe sail salt sand save scarf seal seat seed sense seven shade sharp sheep shelf shell ship
shoe shop short shy side silk six size skin sky slow small smart smile smooth snow soap sock soft soil solid song
soup south space spice spoon spot spring square stable stair star steam steel step stick stone storm story straw
street strong sugar suit sun sweet swim table tail tall tape taste tea team tent thick thin third three tidy tile
tiny toast today tool torch tower town toy track train tray tree trip true tube twelve two uncle unit urban vase
vast view visit voice wagon walk wall warm wash watch water wave wax week west wet wheat wheel white wide wild wind
wing wire wise wood wool word world yard yarn year yellow young youth zero zinc zone zoo
"""

KEYWORDS = tuple(_KEYWORDS.split())
FREQUENT = tuple(_FREQUENT.split())
FUNCTION_WORDS = tuple(_FUNCTION_WORDS.split())
FILLERS = tuple(_FILLERS.split())

PALINDROMES = ("noon", "level", "kayak", "civic", "radar", "stats")

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Letters whose number can be raised or held down without strange words.
COMMON_LETTERS = "aeinorstlhdcmup"

END_PHRASES = (
    "That is all for now.",
    "Hope this helps",
    "Thanks for reading",
    "Any other questions?",
    "Tell me what you think",
    "See you soon!",
    "That sums it up.",
    "Take care",
    "Is there more to say?",
    "Now it is your turn!",
    "Have a lovely day",
    "This is the end.",
)
PHRASES = (
    "the early bird sings at dawn",
    "every small step leads home",
    "old friends bring warm stories",
    "quiet streams run very deep",
    "slow hands build strong walls",
    "bright stars guide lost ships",
    "good bread takes some patience",
    "clear words open locked doors",
)
POSTSCRIPTS = ("P.S.", "P.P.S")
SEPARATORS = ("~", "@", "%")
SECTIONS = ("Section", "SECTION", "Part", "PART")

# A stock of words for each language other than English that is asked for; function words outweigh the rest.
LANGUAGE_WORDS = {
    "de": """der die und das ist nicht ich zu mit sich ein eine auf für auch dem des wir sie als es wie von wird sind
        haus baum garten wasser licht morgen freund brot tisch fenster""",
    "es": """el los las y que una por con para su del se lo como más pero sus este esta son también fue hay muy cuando
        casa árbol agua luz amigo pan mesa ventana camino noche""",
    "fr": """le les et des est une dans que qui pour pas sur avec plus il du vous nous sont mais par cette ou être
        maison arbre jardin eau lumière matin ami pain table fenêtre""",
    "it": """il di che è la per un una non sono con del della gli si nel anche come più ma alla dei nella questo
        casa albero giardino acqua luce mattina amico pane tavolo finestra""",
    "pt": """o os e da do em um uma para com não que por mais as dos como se na no ao foi das seu sua são você também
        casa árvore jardim água manhã amigo pão mesa janela""",
}
