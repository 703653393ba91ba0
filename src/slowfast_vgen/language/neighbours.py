"""Words of English that look like typing errors of the table's, and are none: a text with one is not understood.

These are the whole words in the vocabulary of the text encoder's tokenizer that `lexicon.nearest_word` would change.
"""

NEIGHBOURS = """
aback able acton adapted adapting adjunct agents aground ahmad ahmed aided aiding aimee aired airing alain alerted
algiers alleged alleging allen allotted alloy alloys almighty alone alt altar altered altering amazing among ample
amusing anders angel angeles angelina angels angered angie anglo ankle ankles anna annually ants arch arched arches
arching ares argent arguing arms aroused ars arts ash ashes aside atop auction aviator awarded awarding awhile bach
backpack backyard badge badges bait baking ball balls band banded bands banging bank banking banned banner banning bar
bare barge bark barry bars base based bases bash bath baths bea beads beak beam beaming beams bean beans beard bearer
bearings beating beau beck bed bedford beds beer beers bees begging beginnings beijing beings beit belarus belgian
belinda bell bells belt ben benin benz bergman bert best bet bets bike bind binding binds bing black blaming blast
blazing bleeding blend blending blinding blinking boar boarding boating bodo boeing boer bold bond bonding bonds bone
bony book booked booking books border bored borg boring born borne borough boroughs bose bought bound bout boy boyd
brace braced bracing braking branding brawl breaking breeding breeze brent brest brew brewing brick bride briefing brig
briggs bright brink broad brody broughton brush brushed brushes brushing buck buddies budget budgets buick bulge bulging
bull bulls bundled bundles burgess burn burned burning burns burying bush bushes bust buzzing cade cafe cage cake cakes
cale call calling calls calming camel cameo cameras cameron camp camping cane canned canning cans cape care carefully
carey carly carr carriages carrie carrier carriers carved carving carvings cary case cases cash cast casting cater cats
cause caused causes causing cave caves ceiling cello certain certainty chained chaired chance chancel chances chang
channel channels chanting characters charge charged chargers charges charging charles charming charred charted charter
charting chase chased chases chasing chatting cheated cheating cheek cheer cheered chen chewing chick chicken chicks
chile chip chips chuck chuckled churning clashed clashes clasped classed classes clauses cleaned cleaning cleansing
cleared clearing clicked clicking clinging close closed closely closes closest closet closing closure clover cluster
coarse coating code codes coding cody coe coin coke cold cole com coma comb combine comet comets commanded commander
commanding commando commandos commands commended comment commented commenting comments commerce commons commune communes
commuted commuter como company compete competed competes compiler completed completely completes complex complexes
composer compute computed computers comte cone cones confined confines contained containing continual continuity
continuous continuum convince convinced convinces convincing cook cooked cooking cooks cooling coop cope coping copying
core cores correct correctly costing cote couch counsel counted counting coupe coupled couples courage courier courses
cove coward crack cracks cradled crafted cramped crashed crashes crashing craving crawley creaked created creates
creating cree creed creek creeks creepy crest crested crew cried cries cringed crowded crowley crowned crush crushed
crushing crying crypt cubs cues cunning cups cure cured curled curling currents curry curse cursed curses cursing cute
cutter dancing dangling dans darling darting das dawn daze dazed dealing decent decreed decrees deeds deep deer defected
defects delaying dell dept derive derived derives detected detecting detection dew dialect dialects ding directional
directions directive directly director directors dish dishes dive diverted diving docking dogs doin doll dollars dolls
dolores dome domes domingo dong donna doping dove downing draft drafted drafting drafts drag dragging drain drawers
drawings dreaming dress dressed dresses dressing dried drilled drilling drinking drip dripped dripping driver drivers
drone drought drown drowning drying dull dust dying earliest earning ears easiest east easter easy eater eating editing
egan ejected elected emotion end ending ends endure endured enduring ensued ensuing entering entirely entirety entries
epithet erase erased erected est esther ether everton evolve evolved evolving ewing exactly excited exciting excused
excuses execution executions executive executives expected expecting extract eyed facades fact faction facts fade faded
fades fading fae failing fails fake fallon fame famed fans fare fares farming fashioned fastest fatally fate fated fates
father fathers faye fearing fears feather feeding feeds feeling fees fellow fellows felt fencing fest fielded fielding
filed fill filling fills finch findings fined fines finger fingered fingers fins fired firth fished fishes fishing
fission fist fitting flaming flat flats fleeing flight flirting flooded flooding flopped flower flowing fold folding
folds follower followers folly font footing footprint foraging forbes force forced forces forcing fore forearm forearms
foreign foreword forgive forks formal formed forming forrest forster forsyth fort forts foster fought found founded
founding fourth frail framing frances freaking freeing fremont fried friendly friends fries fright frontal fronted
fronts frost fucking funded funding funds furry gabe gage gain gale gall gamble gambling game games gaming gaped gaping
garry gases gasping gate gates gather gaza gears geek gems gene general generals generation generations generator
generators gently gilded giles gin ginger glaring glasses glazed glider glowing gods gold gong goo gore gorge goth gould
gown grace grading granted granting gravel grazed grazing greater greatly greet greeting greta grew grin grinding grip
groaned groin grounded grounds grouped grove growing guide guided guides guiding guns gust guts hack hades hal hale hall
halls halo halves hamlets hampered handel handheld handing handled handler handles hanged hanging hank hanna hans
happier hardened harding hare harp harriet harry hart harvest hash hastings hat hated hates hating hats hauling haunting
haven hayes haze header headline heal healed healing heap hear heard hearing hearings hears heat heated heating heats
heaved heavens heaving heck hedge hedges hee heel heels hell helm hen her herb herds hero herr herring hers hicks hide
hides hiding hilt hines hip hips hired hires hiring hissing hitting hive holders holdings hole holes hollow holly holm
holy home homes honored honoring hooded hooker hoop hopkins hound hove howard howling hull hunting hurdles hurling
hurriedly hurting hush hushed huskies huts ich ike ile immediate imply inc inca incline incomes incoming indexed indo
induced initial initials initiation initiative initiatives install instance instinct instructional instructions
instructor intently intimate inward isle isles ives jack jagged jase jaws jeep jens jets jingle jobs jody join joining
joint joints jolly jorge journal journeys judge judged judges judging keating keel keen keepers kemp kent kicked kicking
kicks kinds kneeling lace lack lacking lakes lance landed lange lantern largely larger largest larry las laser lash
lashed lashes lass lasting lasts late lateral latter laws layer leaders leading leads leagues leaked leaking leaned
leaning leans leaped leaping learned learning lease leased leases leasing least leather ledge leeds leftist legs len
lena lend lending les less letter lettering letters licked licking lid lied lies lift lifting light likened lined liner
lines lining linked linking list listing liter littered lived lives living load lobster locating locations lock locked
locking locks lodging loft logged logging logs lok lone longing loomed looming loop loops looted looting lore loser lost
lottery loved loves loving lower lowered lowering lurking lush lust mach machine mack maker makers males mall malls
manager mankind manned manners manning mans mapping marc marche marco marge marines markers markets marking markings
married marries marry marrying marsh marshes masked mast master match matched matches matching mater mates math mating
maze mead meaning meek megan mention mentoring mets mike minded minds mixed modes moe mold mole molly momentum monarch
monitor monitored monitoring monitors monument moor moors morning mort moses mothers motioned motions motives motorized
mound mountain mountains movie movies muddy mundo nash neared nearest nearing needles needy nell nest nesting nests nets
nike node noon norma normally norman north notation notion nude null nuns nursing nuts oath ode oder older olds onboard
ordered orderly orders ore oriental originally originals originate origins ounce outs outward owing pac pack packed
packers packets packing pact pads page pages pained pains paint painted painter painting paintings paints pairing palace
pale pang panicked panted panting pants parcels parking parry parting pas passed passes passing past patch patted
patting pauline paved paving paws paying pays peace peak peaked peaking peaks pear peck pee peel peeled peeling peking
pending penned pens peppers per pere performer performers perkins perspectives pest peter peters petition petitioned
petitions pets phelps pickering picket pier pierced piercing piers pike pill pills piloted pilots pin pinch pinched
pinned pinning pins pitched pitching pitted pivotal placing plane planned planning plans planted planting plaster plate
played players playing pleaded pleading pleas pleased pleasing pleasure pledged plight plot plots plucked plush pod pods
poet pointe pointedly pointer poll polled polling polls polly ponce pont por pork porn porte portion portions porto
ports positive post posting postponed pot potion pouch pound pounded pounding powered praised praises praising prayer
prayers praying preceded preceding precious prefect prefers premises presence presented presenter presents presided
president presiding presley pressured pressures presumed pretend pricing pride priests print printed printer printing
prints proceedings process processes processing programs progression progressive properly property prophet propped
prospective prove prowess pudding pulp pulsed pulsing pun punched punches punching punished pursued pursuing puzzled
quarrel quarterly quarters quartet quieter quietly race raced races racing rack racks raid raiders raiding rail railing
rails raining raising rallied rally ranging ranking raped rapidly rapids rash raw reacher reacted reacting read readily
reading reads real reality rebound recalls receipt receive received receives receiving recently recipes recited recorded
recording recreated recurring reddy reduced reduces reducing reeling rees referee referees regain regained regaining
regan regent regents regimes regrets regretted reilly reiterated rejected rejecting rejects rejoined related relates
relating relation relay release released releases releasing relying remainder remarked remarks remind reminded reminder
reminding reminds remixed remixes remorse removed removes removing renewed rent rented rents repaired repairing repairs
repeated repeating repeats replace replaced replaces replacing reported reporting reports reprint reprinted reputed res
rescued rescues rescuing resented reserve reserves reset resides residing resolve resolved resolving resorts restored
restoring resulted resulting results retain retained retaining retains retired retiring retorted retracted reuters
reveals revenge revenue revenues reversal revised revived revoked revolver rewarded rewards reyes rhode rice rid rider
riders ridge ridges rift rights ring ringing rings rip ripe ripping rise rises rising risk risking rite rites roads roam
roaming roaring roasted robe roberts robotic robots rocking rodeo rods roe role roles rolf roller rollins rome rook root
rope rose rot rotational rotor rotten rotting rouge rounded rounding rounds rouse routed routine routines routing rowe
rubs rude ruining ruins rune runes ruse ruth sable sack safe sage sailing sake sale salt salts sam sami sand sanders
sands sane sash saunders save saves saving savings saxe saying says scaling scare scared scares scarred scented
schooling schools scoffed scoop scooped scoring scots scott scout scouting scouts scowled scripted scripts scroll
scrolling scrolls sean searing sears seas seated seating secondly seed seeded seeds seek seekers seeking seeks seem
seeming seems seizing sell selling sells sen send sending sends senegal sensing sep sept serve served servers serves
serving settings settled settler settles settling severed severely sewing sexes shadows shaft shafts shaking shale
shallow shame shandong shared shares sharing shark sharpe shawn shay sheen sheep sheer shell shelves shen shifter
shifters shin ship shipped shipping ships shirts shit shivered shivering shivers shocking shoes shook shooter shooting
shoots shop shopping shore shorter shortly shorts shot shots shouldered shout shouted shouting shoving shower showers
shrines shrinking shudder shutter shutting shuttle sided siding sigh sighs sighted sights signing simple simpler sin
sing singer singers singing singled singles sings sinking sins sire site sites sitting sizable size sizes skating skill
skilled skin skins slade slater slayer sleep sleeper sleeping sleeps sleeves slice slices slicing slightly slim sling
slip slipping slit sloping slot slowed slowing slowly slung smaller smart smarter smeared smell smelled smelling smiling
smirked smoking smoothed smoothing smoothly snarled sneakers sneered sniffed sniffing snoop snort soaking soared soaring
sold solid soothing sore sort soto sought sound sounding space spaced spaces spain span spanned spanning spans spare
spared sparked spat spawning speak speaker speaking speaks speeding spelled spelling spiders spies spill spilled spine
spines spirited spirits splinter splitting sport spots spotted spotting sprayed spraying spring springer springs
sprinter spur spurred squared squinted squinting stab stables stacy stade stage stages stained stair stairs stake stakes
stale stalk stalked stalker stalking stalks stallion stan standings stanley staple starred starring starter startled
startling startup starved starving stat state stated states stating stats statues stature ste steak stealing steamer
steel steelers steep steiner stem stems stephen steppe sterile sterling stevens stew stewart sticking stil stilled
stills sting stinging stirling stocked stomped stool store stored stores stories storing stormed straighten straining
strains straits strand strands stray streaked streaks streets strife strike striker strikers strikes striking string
strings strip stripe striped stripes strive stroke stroked strokes stroking stuart stubble studies studying stuffed
stuffing stumble stung styling subsequent suitable sun sung sunlight suns supplied supported suppose supposedly sven
sway swayed swaying swearing sweating sweeney sweet sweets swiftly swimming swirled swirling systemic systems table tack
tackles tail tails tainted tales talk talked talking talks tall tallinn tangle tangled tank tanks tanned tanner tapes
tapping tasked taxes tay teaches teaching teaming tearing tears tease teased teasing teen tend tending tends tens
terrace terraces test tested testing tests thanked thanking theatre thee them theme theo theorem thereby thereof theresa
therese these thin thinks thorough threats threw thriving throbbing ticked ticking tides tied ties tighten tighter
tightly tilting timbers timed timer timing tingle tip tired tires toad toes token toll tome tone tonight top topped
topping tops tor torch tore torn toro touched touches tough touring tours tracey tracked trade traded traders trades
trading tragedy trailer trailers train trained training trains trait traits trance trap trapped trapping traveler
travelers traveller travelling travers traverse traversed tre treat tree trey tri triad trial trials tribes trick
tricked tricks trier trieste trim trimmed trio tripped trips trois trough trout troy truce truck trucks trust trusted
trustee trusting trusts tucking tugging tun tuning turbine turf turin turing turk turks turner twinned twitter tying und
uniting uno unsure unto unwilling vans vase vast vastly ventura verses version vest vested vie viet viewer viewers vimes
visions visitor vulture wai waist waiter waived waivers wakes waking wal wales walker walkers wall walled walls walter
walters wanda wanderers warning wash washed washing wat water watered watering watkins watt waves waving wearing wears
weave weaving wedge weeds week weeks weep weeping weighed weighing welding wells wen wept west wet whale whaling wheeler
whereas whereby wherein whig whimper whisper whistle whistled whistling white whitley whoever whorls wicked width
wilkins willing winding winds winger wings winners winning winters witch witches withdrawal wits wives wonder wondered
wondering wonders words wore worker workers workings world worms worried worrying worth wound wrapped wrapping wright
writ writing writings wrought xander yanking yawned years yell yelling yells yours yourselves zack zone
"""
