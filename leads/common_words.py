"""Words that begin a sentence, or are written large, without naming anybody. Data for leads.facts.

A capital letter makes a word look like a name; these do not count. What is missing here costs a look by a person,
what is here too much lets an invention through: so nouns stay out, and so do words that are first names (Mark, Grace).
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# At the beginning of a sentence only. By language: English, German, French, Spanish, Italian, Portuguese, Dutch.
STARTERS = _words(
    """
    asked born built called chosen done found given grown known left met noted noticed picked seen sent spent
    spotted taken told understood wanted won written
    a about above according across actually additionally admittedly after again all almost alongside already also
    although always amazing amid among an and another any anyone anything are aren't around as aside ask at away
    back based be because been before behind being below beneath beside besides best better between beyond big both
    briefly bravo brilliant but by can can't cheers clearly come companies congrats congratulations consider
    considering could couldn't curious currently customers dear despite did didn't do does doesn't don't down due
    during each earlier easily either else enough especially even ever every everyone everything exactly except
    excited fair false far few fewer finally first firms folks following for forgive former fortunately from full
    funny further get getting give given glad go going good got great greetings growth had half happy hardly has
    have haven't having he heard hello help hence her here here's hey hi his honestly hope how how's however i i'd
    i'll i'm i've if imagine impressive in indeed inside instead interesting into is isn't it it'd it'll it's its
    just keep kudos last lately later least less let let's like likely likewise long look looks lots love loved made
    make makes making many may maybe me meanwhile might moreover more most mostly much must my name naturally near
    nearly needless neither never nevertheless new next nice no nobody none nor not nothing notably now nowadays
    obviously of off often oh ok okay on once one only onto or other others otherwise our out outside over own
    people per perhaps plenty plus please possibly presumably previously probably quick quite rather read really
    recently regarding regardless respect right running said same saw say see seeing seems several shall she short
    should shouldn't similarly simple simply since small so some somebody someone something sometimes soon sorry
    sounds speaking still such sure surely take taking team teams tell thank thanks that that's the their them then
    there there's therefore these they they'd they'll they're they've thing things think this those though through
    throughout thus till to today together tomorrow too top toward towards true truly try under undoubtedly
    unfortunately unless unlike until up upon us use used using usually very via was wasn't we we'd we'll we're
    we've well were weren't what what's whatever when whenever where whereas wherever whether which while who who's
    whoever whom whose why will wish with within without won't wonder work worth would wouldn't wow yes yet you
    you'd you'll you're you've your yours

    aber alle als also am an auch auf aus bei bin bis bitte da damit danke dann darf das dass davon dein dem den
    denn der deren des deshalb die dies diese dieser dieses doch durch ein eine einem einen einer er es etwas falls
    für ganz gerade gern gerne glückwunsch guten haben hallo herzlichen herzliche beste schöne viele hat heute hier
    hätte hätten ich ihr ihre ihrem ihren im in ist ja jede jeder jetzt kann kein keine kennen können könnte könnten
    lassen liebe lieber man mein meine mit möchte möchten nach nicht noch nun nur ob oder ohne schon sehr sei seit
    sich sie sind so sollte sollten sowie statt und uns unser unsere unter vielen vielleicht vom von vor wann war
    waren warum was weil weiter welche welcher wenn wer wie wir wird wo wäre während wünsche würde würden zu zum zur
    zwischen über

    alors après au aujourd'hui aussi autre autres aux avant avec avez avoir bien bonjour bonsoir car ce cela ces cet
    cette chaque cher chère chez comme comment d'abord dans de depuis des donc du elle elles en encore enfin ensuite
    est et est-ce eu félicitations il ils j'ai j'espère je l'équipe la le les leur leurs mais merci mon même ne nos
    notre nous on ont ou où par parce parmi pas pendant peut peut-être plus plusieurs pour pourquoi pourriez pouvez
    puis puisque quand que quel quelle quelles quels qui quoi sa salut sans selon ses seriez si son sous souvent
    suite sur ta tous tout toute toutes très un une vers voici voilà vos votre vous y à ça étant être

    además ahora al algo alguien algún alguna algunas algunos antes aquel aquella aquí así aunque ayer bajo bien
    buenas bueno buenos cada casi cerca como con cual cuando cuál cuándo cuánto cómo del desde después donde durante
    dónde el ella ellas ellos en encantado enhorabuena entonces entre era eres es esa ese eso esta estamos estas
    este estimada estimado esto estos estoy está están felicidades fue gracias ha hace han has hasta hay he hemos
    hola hoy la las le les lo los me mi mientras muchas mucho muchos muy más nada ni ningún no nos nosotros nuestra
    nuestro o os otra otro para parece pero por porque posiblemente pues puede podría podríamos qué querida querido
    quizás quién quizá se sea según ser si sin sobre solo somos son soy su sus sé sí también tampoco tan tanto te
    tengo tenemos tiene tienen todas todo todos tras tu tus un una unas uno unos usted ustedes vi vosotros vuestra
    vuestro y ya yo él

    abbiamo alcuni allo anche ancora avete buongiorno caro cara che chi ciao ci come complimenti con cosa così da
    dal dalla dei del della delle di dopo dove e ed era fra gentile già gli grazie ho i il in io la lei lo loro ma
    mi mentre molti molto nel nella noi non nostra nostro o ogni ora per perché però più poi potrebbe prima qual
    quale quando quanto quella quello questa queste questi questo qui salve se senza si siamo siete solo sono spero
    su sua sul sulla suo tra tutti tutto un una uno vi voi vorrei vostra vostro è

    ainda ao aos apenas aqui as até boa bom caro com como cada da das de depois desde do dos e ela ele em entre era
    essa esse esta este estou está eu foi há isso isto já lhe mais mas me mesmo meu minha muito muitos na nas no nos
    nossa nosso não o obrigado obrigada olá onde os ou para parabéns pela pelo pode poderia por porque prezada
    prezado qual quando que quem se sem seu seus sobre sou sua suas são também te tem temos tenho toda todas todo
    todos tudo um uma vi você vocês à às é

    aan al alle alles als beste bij dag dan dank dat de deze die dit door dus een en er geachte geen goed graag had
    heb hebben heeft het hier hoe hoi ik in is ja je jij jouw jullie kan kun kunnen maar me meer met mijn misschien
    moet na naar niet nog nu of om omdat ons onze ook op over sinds te toch toen tot tussen uit uw van veel via
    volgens voor waar waarom wanneer was wat we welke werd wie wij wil worden zal ze zijn zo zonder zou zoals
    """
)

# Written large anywhere, and nobody's name.
ALWAYS = _words(
    """
    i i'd i'll i'm i've ai api b2b b2c crm d2c faq hr it kpi ok pdf ps p.s qa r&d roi saas seo sla ui ux url monday
    tuesday wednesday thursday friday saturday sunday hi hello dear sie ihr ihre ihrem ihren ihrer ihnen
    """
)

# Words in -ing and -ly begin many sentences and are seldom names; these are.
NAMES_LIKE_VERBS = _words(
    """
    beijing beverly billy boeing bowling browning chongqing connelly cushing darling deling donnelly emily flemming
    fleming golding harding hawking hemingway henley holly italy keating kelly kimberly kipling lilly ling manning
    molly nanjing o'reilly pickering polly reading reilly riesling sally schelling sibly sicily sterling stirling
    wyoming xing
    """
)

# Offices that people hold, in lower case too: a wrong one is the first thing a reader sees.
TITLES = _words(
    """
    ceo cfo chairman chairwoman chief cio ciso cmo cofounder coo cpo cro cto director evp founder head-of manager md
    owner president principal svp vp geschäftsführer geschäftsführerin gründer gründerin inhaber inhaberin leiter
    leiterin vorstand directeur directrice fondateur fondatrice gérant gérante pdg président présidente responsable
    directora fundador fundadora gerente presidenta presidente jefe jefa amministratore direttore direttrice
    fondatore titolare diretor diretora proprietário sócio sócia eigenaar oprichter bestuurder
    """
)

# English first; of the others only words that mean nothing else in English.
NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12,
    "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "elf": 11,
    "zwölf": 12, "zwanzig": 20, "hundert": 100, "tausend": 1000, "millionen": 10**6, "milliarden": 10**9,
    "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "neuf": 9, "dix": 10, "onze": 11, "douze": 12,
    "vingt": 20, "trente": 30, "cinquante": 50, "mille": 1000, "millions": 10**6,
    "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "doce": 12,
    "veinte": 20, "treinta": 30, "cincuenta": 50, "cien": 100, "mil": 1000, "millones": 10**6,
    "tre": 3, "quattro": 4, "cinque": 5, "dieci": 10, "venti": 20, "cento": 100, "mila": 1000, "milioni": 10**6,
    "dois": 2, "duas": 2, "três": 3, "quatro": 4, "oito": 8, "dez": 10, "vinte": 20, "milhões": 10**6,
    "twee": 2, "drie": 3, "vijf": 5, "zes": 6, "zeven": 7, "negen": 9, "tien": 10, "twaalf": 12, "twintig": 20,
    "honderd": 100, "duizend": 1000, "miljoen": 10**6,
}  # fmt: skip

# How much without a figure; the sources must say the same word.
QUANTITIES = _words(
    "doubled doubling double tripled tripling triple quadrupled halved twice dozens hundreds thousands billions "
    "verdoppelt verdreifacht halbiert doublé triplé duplicado triplicado raddoppiato triplicato dobrou verdubbeld"
)
