"""The table: the meanings of words in texts that instruct a traveller or its camera.

Every word has one sense: verbs are listed in their base form (`lexicon` inflects them), all others as they are written.
A phrase takes precedence over the words in it. A word in no row is unknown, and a text that contains one is not
understood, however clear the rest of it is. The rules that use this table are in `reading`.
"""

# Content: what is to be done, and which way.
TURN, STEP, GO, DRIFT, RETREAT, STAY, HALT, RETURN, RETRACE, FOLLOW = (
    "turn", "step", "go", "drift", "retreat", "stay", "halt", "return", "retrace", "follow",
)  # fmt: skip
LEFT, RIGHT, FORWARD, BACK, INVERSE = "left", "right", "forward", "back", "inverse"
# What it is done with, and where.
CAMERA, STILL, AROUND, KEEP, PLACE, OWN, TRAIL, ORIGIN = (
    "camera", "still", "around", "keep", "place", "own", "trail", "origin",
)  # fmt: skip
# Small words.
NOT, NO, AND, THEN, BUT, OR, FILLER = "not", "no", "and", "then", "but", "or", "filler"
STRANGE = "strange"
"""The sense of words that are known to mean something else, or nothing."""

VERBS: dict[str, str] = {
    TURN: """
        turn rotate spin swivel pivot twist swing pan yaw face look veer wheel revolve whirl steer curve bend hook
        peer glance gaze orient reorient angle peek sweep whip redirect arc bear stare see check view gyrate swerve
    """,
    STEP: """
        walk step advance progress march stroll run jog stride hike amble trot sprint dash drive trudge plod saunter
        approach trek wander tiptoe pace
    """,
    GO: "go head get come cut",
    DRIFT: """
        move shift slide glide scoot ease edge nudge push press pull draw fall carry travel crawl creep inch roll ride
        rush hurry dolly float shuffle drift motor venture forge budge stir sneak thrust
    """,
    RETREAT: "retreat reverse withdraw recede backpedal backup backstep",
    STAY: "stay wait pause remain rest idle linger stand hold freeze stall await relax loiter chill",
    HALT: "stop halt cease",
    RETURN: "return revert",
    RETRACE: "retrace backtrack rewind",
    FOLLOW: "follow trace undo unwind",
    KEEP: "continue proceed resume keep maintain leave",
    NOT: "quit avoid refuse refrain skip ignore cancel abort forget prevent resist decline forbid omit",
    FILLER: """
        make take do perform execute give bring point aim direct throw put use set let want need like wish try help
        begin start happen initiate have position pick generate show tell ask allow ensure find work commence change
        adjust alter
    """,
}
"""Sense -> verbs. Those under `FILLER` have no meaning of their own: "make a left turn", "start to walk"."""

FORMS: dict[str, str] = {
    "go": "went gone goin", "get": "got gotten", "come": "came", "run": "ran", "swing": "swung", "spin": "spun",
    "bend": "bent", "bear": "bore", "see": "saw seen", "stand": "stood", "hold": "held", "freeze": "froze frozen",
    "stride": "strode", "drive": "drove driven", "slide": "slid", "draw": "drew drawn", "fall": "fell fallen",
    "creep": "crept", "ride": "rode", "withdraw": "withdrew withdrawn", "unwind": "unwound", "make": "made",
    "take": "took taken", "do": "did done doing", "give": "gave given", "bring": "brought", "keep": "kept",
    "begin": "began begun beginning", "have": "had having", "tell": "told", "undo": "undid undone", "forget": "forgot",
    "look": "lookin", "turn": "turnin", "throw": "thrown", "show": "shown",
}  # fmt: skip
"""Verb -> forms that no rule gives."""

WORDS: dict[str, str] = {
    TURN: "rotation glimpse",
    DRIFT: "movement motion",
    GO: "gp og",
    LEFT: "left leftward leftwards lefthand leftside counterclockwise anticlockwise ccw port lft leftmost l",
    RIGHT: "right rightward rightwards righthand rightside clockwise cw starboard rgt rite rightmost r",
    FORWARD: """
        forward forwards ahead onward onwards straight frontward frontwards straightforward front fwd forth closer
        nearer straightahead strait foreword forword
    """,
    BACK: "back backward backwards rearward rearwards rear behind bwd backways",
    STAY: "noop standstill",
    STILL: "still motionless stationary immobile frozen unmoving fixed steady stable",
    CAMERA: """
        camera cam view viewpoint gaze eye eyes head body heading viewport perspective sight torso attention shoulder
        shoulders orientation vision lens pov face
    """,
    AROUND: "around about round",
    KEEP: "further farther",
    PLACE: "place position spot ground location there here where wherever",
    TRAIL: "path paths route routes trail trails track tracks way footsteps footprints journey course road trip tour",
    ORIGIN: "origin came before previously previous earlier original starting beforehand",
    OWN: "his their your my our own same its last latest recent exact old identical entire whole current present ur",
    FILLER: """
        ya yall y all gotta hafta oughta cmon kay da dis dat driver skipper matey mister miss ladies gentlemen bruh
        fam ol aight ight sweetie kiddo partner comrade soldier he she they him her them one's person
        human walker explorer traveller traveler visitor hero protagonist user drone rover vehicle car subject woman
        boy girl alexa siri google cortana jarvis boss captain pal champ folks team honey dear darling u k gimme lemme
        lil min um umm uh uhh uhm er err hm hmm mm ah oh ooh yo hiya whoa wow oops ugh yup yea aye lol haha hehe omg
        btw tho roger copy nothing anyway anyways degree degrees appreciate appreciated grateful possible thankful
        obliged favor favour delighted glad happy pleased wonder wondering please now just through via simply again
        once more kindly ok okay yes yeah yep hey hi hello so well alright a an the to towards toward of in into at
        for with that this it be being by from on direction side sides off over upon onto you me i we us yourself
        myself ourselves itself can could would will shall gonna wanna love ought supposed times time next first
        firstly second finally lastly afterwards afterward immediately instantly instant asap quick quicker slow
        slower fast faster careful smooth gentle brisk steadily sharp sharply hard tight soft bit little slight some
        somewhat tad touch few couple several another one single small short tiny big large wide full complete proper
        normal nice good great direct mere pls plz plse thx thanks thank cheers ta robot agent player character avatar
        bot buddy mate friend sir dude bro guys everyone system computer ai pilot action command instruction order
        quarter hand kind also too such ever even only currently presently soon later rapid swift am is are been going
        all ready feel free manner fashion mode seconds moment minute while beat sec rest fine sure certainly indeed
        really very actually basically possibly perhaps maybe meantime nicely s d m ll re ve im ill id youre rather
        instead already most both along let lets any
    """,
    NOT: """
        not never dont cannot cant wont shouldnt mustnt neednt wouldnt couldnt doesnt didnt isnt arent aint donot
        without neither nor unable hardly nobody except minus sans unlike
    """,
    NO: "no nope nah none nevermind",
    AND: "and",
    THEN: "then subsequently thereafter",
    BUT: "but yet however though although",
    OR: "or versus vs either",
    STRANGE: """
        what which who whom whose why when how whether was were does did has might should if unless until till
        whenever because may must after during
    """,
}
"""Sense -> words as they are written. For a word in two rows, the earlier row counts."""

PHRASES: dict[str, str] = {
    RETREAT: """
        back up, back off, back away, back out, backing up, backing away, backing off, backs up, backs away, backed
        up, back yourself up, back it up, back the camera up, step away, pull away, move away, back pedal, back
        pedalling, back pedaling, back step
    """,
    BACK: "in reverse, to the rear, to the back, in a reverse direction, in the reverse direction",
    FORWARD: """
        full steam ahead, full speed ahead, dead ahead, straight on, further on, in front, up ahead, right on, the way
        ahead, straight forward
    """,
    f"{STEP} {FORWARD}": """
        press on, push on, move on, march on, walk on, run on, pressing on, pushing on, moving on, walking on, forge
        on, move closer, get closer, come closer, moving closer, walk up, step up, push ahead
    """,
    STEP: """
        get going, get moving, lead on, lead the way, move along, go along, come along, make your way, make my way,
        make our way, making your way, makes its way, work your way, a step, one step, some steps, few steps, couple
        of steps, several steps, more steps, single step, few paces, a pace, one pace, some paces, couple of paces,
        more step, set off, steps ahead, steps forward, paces forward, another step, big step, small step, little
        step, few more steps
    """,
    f"{STEP} {KEEP}": """
        keep going, keep moving, keep on going, keep on moving, keep it moving, keep it going, continue going,
        continue moving, carry on, carrying on, go on, going on, continue on, start going, start moving, begin moving,
        begin going, start to move, begin to move, start to go, keep advancing, goes on
    """,
    f"{GO} {KEEP}": "lets go, let us go, let s go",
    KEEP: "keep on, proceed to, proceed with, continue to, continue with, go on to, carry on with",
    STAY: """
        do nothing, doing nothing, does nothing, do absolutely nothing, do not do anything, dont do anything, no
        action, no op, no motion, no movement, no movements, no moving, no move, no change, sit tight, sit still, hang
        on, hang tight, stand by, standing by, hold on, hold up, hold off, take no action, make no move, make no
        movement, make no movements, at rest, be still, be motionless, keep still, keep steady, take a break, take a
        rest, take five, catch your breath, stay put, remain put, stays put, staying put, bide your time, come to a
        stop, come to a halt, come to rest, come to a standstill, come to a complete stop, be patient, not do
        anything, not doing anything, don t do anything, do not do a thing, nothing at all, without any movement, sit
        this one out, wait it out, wait up, do not do a thing, don t do a thing, dont do a thing, do not leave, don t
        leave, dont leave, never leave, without leaving, not leave, do not go away, don t go away, hold it, freeze
        frame, hold everything, full stop, stand pat, stop it, stop that, stop there
    """,
    STILL: "stock still, in one place, at a standstill",
    PLACE: """
        where you are, where i am, where we are, as you are, where you stand, where you re, wherever you are, where it
        is, where they are, as it is, as is, as they are, anywhere, anything, a muscle, an inch, on the spot, in
        place, in position
    """,
    LEFT: "left hand, counter clockwise, anti clockwise, counter clock wise, anti clock wise, hang left, hang a left",
    RIGHT: "right hand, clock wise, hang right, hang a right",
    TURN: "have a look, take a look, quarter turn",
    f"{TURN} {AROUND}": "about face, about turn, u turn",
    RETRACE: """
        undo everything, undo it all, undo all, double back, doubling back, trace back, back track, back tracking,
        doubles back
    """,
    ORIGIN: """
        so far, up to now, until now, the start, the beginning, starting point, starting place, starting position,
        starting location, point of origin, point of departure, the outset, square one
    """,
    OWN: "very same, last few, most recent, exact same, last couple of",
    INVERSE: """
        but in reverse, but backwards, only in reverse, but in reverse order, in reverse order, in opposite order, in
        the opposite order, in opposite direction, in the opposite direction, the other way, in the other direction,
        the other way around, the other way round, the opposite way
    """,
    NOT: """
        do not, does not, did not, don t, doesn t, didn t, do nt, can not, can t, won t, shouldn t, should not, mustn
        t, must not, needn t, wouldn t, couldn t, isn t, aren t, ain t, instead of, rather than, as opposed to,
        anything but, anywhere but, everything but, any direction but, any way but, except for, apart from, other
        than, no longer, no more, no need to, by no means, under no circumstances, on no account, in no way, at no
        time, no one, stay away from, steer clear of, hold off on, keep from, give up, rather not, fail to, opposite
        of, not to, try not to, never ever, let s not, lets not, let us not, free of, leave out, had better not,
        better not, no reason to, not going to, will not, would not, could not, is not, are not, may not, might not,
        have not, has not, never again, whatever you do do not, rule out, against, may never, must never, should never
    """,
    NO: """
        or not, not yet, just kidding, never mind, forget it, forget that, scratch that, on second thought, on second
        thoughts, not really, or maybe not
    """,
    f"{NOT} {LEFT}": "no left",
    f"{NOT} {RIGHT}": "no right",
    f"{NOT} {STAY}": "do not wait, don t wait, dont wait",
    FILLER: """
        a notch, a hair, a smidge, a smidgen, a fraction, a tick, one notch, too close, too far, too near, step by
        step, bit by bit, one by one, if you d, i d appreciate it, i would appreciate it, would it be possible, is it
        possible, i wonder if, i was wondering if, could i ask, can i ask, do me a favor and, do me a favour and,
        would it be ok, would it be okay, feel free to, be so good as to, be a dear and, mind you, you know what, how
        we got here, to get here, i suppose, i mean, don t forget to, do not forget to, dont forget to, never forget
        to, don t hesitate to, do not hesitate to, dont hesitate to, don t be afraid to, do not be afraid to, can t
        you, couldn t you, won t you, why don t you, why don t we, why dont you, why dont we, why do not you, why not,
        no problem, no worries, would you mind, do you mind, would you kindly, if you please, if possible, if you can,
        if you could, if you would, if you will, if you don t mind, if you do not mind, if you dont mind, if you like,
        if you wish, if you want, when you can, when you re ready, when you are ready, when ready, when possible,
        whenever you re ready, whenever you can, whenever you are ready, as soon as possible, as soon as you can, as
        quickly as possible, as quickly as you can, be so kind as to, so kind as to, how about, what about, what if
        we, what if you, what is on, what s on, whats on, what is to, what s to, whats to, you should, we should, you
        must, we must, i must, you have to, we have to, i have to, you may, you might, shall we, you should now, you
        must now, may i ask you to, do you think you could, go ahead and, go and, come and, try and, be sure to, make
        sure to, make sure you, in order to, so as to, time to, what i want is, what i need is, what i want you to do
        is, i want you to, i need you to, i d like you to, i would like you to, i think, i guess, at once, for now,
        for me, one more time, one time, at this point, at this time, at the moment, as well, a bit, a little, a
        second, a moment, a sec, a minute, a while, for a while, some more, hurry up, is needed, is required, this
        time, of course, good job, well done, by the way, do a, my friend, on your own, in your own time, without
        delay, without hesitation, without further ado, with no delay, without any delay, no matter what, on the
        double, in one go, all the way, a long way, a short way, a little way, some way, part of the way, in the
        direction of, in the direction, straight away, right off, all right, come on, going to, got to, have got to,
        has to, at all, under any circumstances, whatever you do, whatever happens, and so on, hang a, hang, as usual,
        as before, it is time to, it s time to, that is, to be precise, if it s ok, if that s ok, a few, a couple, a
        couple of, in a moment, here we go, there we go, there you go, thank you, i say, i said, you know, as follows,
        et cetera
    """,
    STRANGE: """
        left handed, right handed, right angle, left angle, right angles, right triangle, right answer, he left, she
        left, they left, in time, back in time, on time, in the car, a car, the car, give way, one foot, zoom in, zoom
        out, move up, move down, stay tuned, hold hands, hold fire, stand down, stand up, sit down, stay calm, rest
        in, stay away, leave it, turn over, turn off, turn out, turn down, turn up, turn into, turned off, side to
        side, half way, from left, from right, from the left, from the right, left behind, left over, left out, left
        off, that is right, you are right, thats right, that s right, you re right, youre right, is right, be right,
        is left, are left, nothing left, has left, have left, i left, you left, we left, was left, were left, right
        wing, left wing, this way, that way, look like, look for, look after, look into, look at me, look at it, look
        at this, face it, go for it, go for, go with, come from, get it, head of, get off, get over, get back at, see
        you, see me, go over, go off, go into, come over, come here, come to me, run over, run off, draw on, fall in,
        fall for, fall over, fall off, carry over, carry off, carry it, carry me, take it, take off, take over, give
        in, do it, do that, do this, do so, do something, put on, use it, show it, show up, keep it, keep up, keep
        off, hold me, press it, push it, push me, pull it, pull me, pull over, draw it, draw me, draw a, ride it, ride
        a, follow me, follow it, find it, find me, see it, check it, check in, check out, view it, set up, set it, set
        in, work it, work on, work out, not only, don t just, do not just, do not only, if not, or else, right or
        wrong, face to face, eye to eye, head over, head off, no time, ride off, roll over, roll up, back to back, on
        and on, on and off, back and forth, back and forward, move over, step over, step on, step off, step in, step
        into, pass by, stop by, rest of, go there, walk there, walk here, go here, be there, be right back, be back,
        be my, hold still for, as far as
    """,
}
"""Sense, or consecutive senses -> phrases, separated by commas. The longest counts; an apostrophe is a blank."""

TRAIL_OF_OWN = "steps step moves move movements walk walks actions turns"
"""Words that mean a trail after one of `OWN`: "your steps"."""
LEADS_TO_ORIGIN = (
    "where how way path route trail track tracks road course steps moves movements footsteps actions turns"
)
WALKED = """
came come got were was started began been took taken walked made followed set stood went gone moved travelled traveled
left headed arrived entered stepped
"""
"""Words that mean the way back, after a word of `LEADS_TO_ORIGIN` and a person: "the way you came"."""

FACED = "facing looking headed heading pointing pointed face look going walking moving"
"""Words that mean straight ahead, after "where", "the way", "the direction" and a person: "the way you are facing"."""

QUESTIONS = """
should i, should we, may i, may we, can i, could i, do i, do we, do they, am i, must i, will i,
will we, would i, would we, do you know, do you see, do you like, do you want, do you think, did you, have you, are you,
is it, is there, are there, is the, are the, can it, will it, would it, would that, is, are, am, was, were, did, does,
has, have i, have we, ask me, show me how
"""
"""Beginnings of questions, unless a phrase of politeness matches."""

SIGNS: dict[str, str] = {
    "left": "←⬅⇐↰↶⟲↺👈", "right": "→➡⇒↱↷⟳↻👉", "forward": "↑⬆⇑☝👆", "back": "↓⬇⇓👇", "degrees": "°", "x": "×✕✖",
    " and ": "&+",
}  # fmt: skip
"""Word -> signs that represent it."""

UNITS: dict[str, str] = {
    "degrees": "deg degs degree degrees",
    "radians": "rad rads radian radians",
    "times": "x time times chunk chunks",
    "lengths": """
        metre metres meter meters m cm centimetre centimetres centimeter centimeters km foot feet ft yard yards mile
        miles unit units block blocks tile tiles square squares cell cells percent pixel pixels px step steps pace
        paces stride strides move moves inch inches
    """,
    "seconds": "seconds second secs sec s minute minutes mins min hour hours frame frames ms moment moments beats",
}
"""Kind of an amount -> its units."""
TURNS_OF = {"quarter": 90.0, "half": 180.0, "full": 360.0, "complete": 360.0, "whole": 360.0}
"""Word before "turn" -> degrees."""
CIRCLES = "turn rotation circle spin revolution twist"

_SMALL_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
NUMBERS = {word: number for number, word in enumerate(_SMALL_NUMBERS.split())} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100,
}  # fmt: skip
HOW_OFTEN = {"twice": 2, "thrice": 3}

AFTER_WEAK_RIGHT = "now away here there ahead back behind forward forwards on up in where backwards backward then"
"""Words before which "right" may mean just so: "stop right there"."""

MISTYPED = """
please towards toward direction degrees again slowly quickly immediately would could your side just then with once times
twice step steps clockwise
"""
"""Words without meaning of their own whose typing errors are corrected all the same."""
FOREIGN = """
avance avancer avanza avanzar avant avanti marche marcher marches marcia marcha rota rotar roter gire halte pausa pare
retour retorno stap passo passa turne tourne tourner draai volver vuelta forte fort recht rechte reste rester restez
retro retroceder stoppen stopp warte warten fermo ferme links lento vite vire girar gira derecha
"""
"""Words of other languages that are no typing errors of ours."""
