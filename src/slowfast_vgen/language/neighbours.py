"""English words that resemble typing errors of the table's words, but are none: a text with one is not understood.

These are the whole words in the vocabulary of the text encoder's tokenizer that `lexicon.nearest_word` would change.
"""

NEIGHBOURS = """
aback able acton adapted adapting adjunct agents ahmad ahmed aided aimee aired airing airways alain alerted alex alexia
algiers alleged alleging allen allotted alloy alloys almighty alone alt altar altered altering amazing among ample
amusing anders angel angeles angelina angels angered angie anglo ankle ankles anna annually ants arches ares argent
arguing arms aroused arts ash ashes aside atop auction aviator awarded awarding awhile bach backpack backyard badge
badges bafta bait baking ball balls band bands bank banking banned banner banning bar bare barge bark barry bars base
based bases bash bath baths beak beam beaming beams beans beard bearer bearings beating beau beck bed bedford beds beer
beers bees beginnings beings beit belarus belgian belinda bell bells belt ben benin benz bergman bert bet bets bike bind
binding binds bing bite black blaming blast blazing bleeding blend blending blinking boar boarding boating bodo boeing
boer bold bond bonding bonds bony book booked booking books border bored borg boring born borne borough boroughs bose
bought bound bout boyd brace braced bracing brawl breaking breeding breeze brent brest brew brewing brick bride briefing
brig briggs bright brink broad brody broughton brush brushed brushes brushing buck buddies budget budgets buick bulge
bulging bull bulls bundled bundles burgess burn burned burning burns bush bushes bust buzzing cade cafe cage caitlin
cake cakes cale call calls calming camel cameo cameras cameron camping cane canned canning cans cape captained captains
care carefully carey carly carr carriages carrie carrier carriers carved carving carvings cary cases cash cast cater
cats cause caused causes causing cave caves cello certain certainty chained chaired champs chance chancel chances chang
channel channels chanting chaplain characters charge charged chargers charges charging charles charming charted charter
charting chase chased chases chasing cheek cheer chen chewing chick chicken chicks child chile chili chilly chip chips
chuck chuckled churning cite clashed clashes clasped classed classes clauses cleaned cleaning cleansing cleared clearing
clicked clicking clinging closed closely closes closest closet closure clover cluster coarse code codes coding cody coin
coke cole com coma comb combine comet comets commanded commander commanding commando commandos commands commended
comment commented commenting comments commerce commons commune communes commuted commuter como company compare compete
competed competes compiler completed completely completes complex complexes composer compute computed computers comrades
comte cone cones confined confines contain contained containing continual continuity continuous continuum convince
convinced convinces convincing cook cooked cooking cooks cooling coop cope coping copying cores correct correctly
costing cote couch counsel counted counting coupe coupled couples courier courses cove cover coward crack cracks cradled
crafted cramped crashes crawley created creates cree creed creek creeks creepy crested crew cried cries cringed crowded
crowley crowned crush crushed crushing crying crypt cubs cues cunning cups cure cured curled curling currents curry
cursed curses cursing curtain cute cutter dangling dans daring darting das dawn daze dazed dazzling decent decree
decreed decrees deeds deep deer defected defects delaying delight deliver dell dept derive derives detected detecting
detection dialect dialects ding directional directions directive directly director directors dish dishes dive diver
diverted diving docking dogs doll dollars dolls dolores dome domes domingo dong donna doping dove dover downing draft
drafted drafting drafts drag dragging drain drawers drawings dreaming dress dressed dresses dressing dried drilled drip
dripped drones drought drown drowned drowning drying dull dust dying earliest earning ears easiest easter easy eater
eating editing egan ejected elected emotion employer end ending ends endure endured enduring ensued ensuing entering
entirely entirety entries epithet erase erased erected est esther ether everton evolve evolved evolving ewing exactly
excited exciting excused excuses execution executions executive executives expected expecting explode exploded explodes
explore explored explorers explores extract eyed facades fact faction facts fade faded fades fading fae failing fails
fake fallon famed fans fare fares fashioned fastest fatally fate fated fates father fathers favored favors favoured faye
fearing fears feather feeds fees fellow fellows felt femme fest fielded fielding filed fill filling fills finch findings
fines finger fingered fingers fins fired firth fished fishes fishing fission fist fitting flat flats flavor flavors
flavour fleeing flight flirting flooded flooding flopped flower fold folding folk follower followers folly font footing
footprint foraging forbes force forced forces forcing forearm forearms foreign forgive forks formal formed forming
forrest forster forsyth fort forts foster fought found founded founding fourth frail framing frances freaking freeing
fremont fried friendly friends fries fright frontal fronts frost fucking funded funding funds furry gabe gage gain gale
gall gamble gambling games gaming gaped gaping garry gases gasping gate gates gather gaza gears geek gems gene general
generals generation generations generator generators gentleman gently gilded giles gin ginger glasses glazed glider gods
gold gong gorge gould gown grace graceful granted granting gravel grazed grazing greater greatly greet greeting greta
grew grin grinding grip groaned groin grounded grounds grouped grove grover growing guide guided guides guiding guns
gust guts hack hades hal hale hall halls halo halves hamlets hampered hanged hanging hank hanna hans happier happily
hardened hare harp harriet harry hart harta harvest hash hastings hat hated hates hats haunted haunting haven hayes haze
header headline heal healed healing heap heard hearings heat heated heating heats heaved heavens heck hedge hedges hee
heel heels heir helm herb herds herr hers hicks hide hides hiding hill hills hilt hines hip hips hired hires hiring
hissing hive holders holdings hole holes hollow holly holm holy home homes honesty honored honoring hooded hooker
hopkins hound hove howard hull humane humans hunan hunting hurdles hurling hurriedly hush hushed huskies huts ile
immediate imply inc inca incline incomes incoming indexed indo induced initial initials initiation initiative
initiatives install instance instinct instructional instructions instructor intently intimate inward isle isles ives
jack jagged jase jaws jeep jens jets jingle jobs jody join joining joint joints jolly jorge journal journeys judge
judged judges judging keating keel keepers kemp kicked kicking kicks kidd kinds kite kneeling lack lakes lance lange
lantern largely larger larry las laser lashed lashes lass lasting lasts late lateral latter laws layer leaders leads
leagues leaked leaking leaned leaning leans leaped leaping learned learning least leather ledge leeds leftist legs len
lena lending les less letter licked licking lid lied lies lift lifting likened lined liner lines lining linked linking
list lister listing littered lived lives living load lobster locating locations lock locked locking locks lodging loft
logged logging logs lok lone longing loomed looming loops looted looting lore loser lost lottery loved lover loves
loving lower lowered lowering lush mach machine mack maker makers males malls manager mankind manners manning mans
mapping marc marche marco marge marines markers markets marking markings married marries marry marrying marsh marshes
masked mast master masters mastery match matched matches matching mated mateo mater mates math mating maze mead meaning
meek megan mention mentoring mets mike minded minds minister mixed modes mold mole molly momentum monarch money monitor
monitored monitoring monitors monster moor moors morning mort moses mothers motioned motions motives motorized mound
mountain mountains movie movies muddy mundo munster muster mystery nash neared nearest nearing needles needy nell nest
nesting nests nets nike node noon norma normally norman north notation nothin noticing noting notion nude null nuns
nursing nuts oath oder older olds oman onboard ordered orderly orders ore oriental originally originals originate
origins ounce outs outward owing pac packers packets pact pads page pages pained pains paint painted painter painting
paintings paints palace pale pang panicked panted panther panting pants parcels parry parsons parties partnered partners
pas passed passes passing past patch paterson patted patting pauline paved paving paws paying pays peak peaked peaking
peaks pearson peck peel peeled peeling peking pending penned pens pension peppers per pere performer performers perkins
persian persona personal persons perspectives pest peter peters peterson petition petitioned petitions pets phelps
pickering picket pier pierced piercing piers pike pill pills pin pinch pinched pinned pinning pins pitched pitching
pitted pivotal placing plane planned planning plans plaster plate played players playing pleaded pleading pleas pleasing
pleasure plight plots plucked plush pod pods poet pointe pointedly pointer poll polled polling polls polly ponce ponder
por pork porn porte portion portions porto ports positive post postponed pot potion pouch pound pounded pounding powered
prayer prayers praying preceded preceding precious prefect prefers premises presence presents presided president
presiding presley pressured pressures preston presumed pretend pride priests printer proceedings programs progression
progressive prone properly property prophet prospective protagonists prove pulp pulsed pulsing punched punches punching
punished pursued pursuing puzzled quarrel quarterly quarters quartet quieter quietly raced racing racks raid raiders
raiding rail railing rails raising rallied rally ranging ranking raped rapidly rapids rate raw reacher reacted reacting
readily real reality rebound recalls receipt receive received receives receiving recently recipes recorded recording
recover recreated recurring reddy reduced reduces reducing rees referee referees regain regained regaining regan regent
regimes regretted reilly reiterated rejected rejecting rejects rejoined related relates relating relation relay release
remainder remarked remarks remind reminded reminder reminding reminds remixed remixes remorse removed removes removing
renewed rented rents repaired repairing repairs replace reported reporting reports reprint reprinted rescues reserve
reserves reset resolve resolved resolving restored restoring retain retained retaining retains retired retiring retorted
retracted reuters reveals revenge revenue revenues reversal revised revived revoked revolver rewarded reyes rhode rid
rider riders ridge ridges rift rights ring ringing rings rip ripping rises rising risk rita river roads roam robe
roberts robotic robots rocking rodeo rodgers rods rogers role roles rolf roller rollins roman rook root rope rose rot
rotational rotor rotten rouge rounded rounding rounds rouse routed routine routines rovers rowe rower rubs rude ruining
ruins rune runes ruse ruth sable sack safe sage sake sale salt salts sam sami sand sanders sands sane sash saunders save
saves saving savings saxe saying says scare scared scares schooling schools scoffed scoop scooped scots scott scout
scouting scouts scowled scripted scripts scroll scrolling scrolls sean searing sears seas seated seating secondly seed
seeded seeds seek seekers seeking seeks seem seeming seems sell sells sen send sending sends senegal sep sept serve
served servers serves serving settings settled settler settles settling severely sewing sexes shadows shaft shafts shale
shallow shame shandong shared shares sharing shark sharpe shawn shay sheen sheep sheer shell shelves shen shifter
shifters shin ship shipped shipping ships shirts shit shivered shivering shivers shocking shoes shook shooter shooting
shoots shop shopping shore shorter shortly shorts shots shouldered shout shouted shoving shower showers shrines
shrinking shudder shutter shuttle sided siding sigh sighs sighted sights signing simple simpler sin sing singer singers
singing singled singles sings sinking sins sire sister sites sitting sizable size sizes skill skilled skin skinner skins
slade slater slayer sleep sleeper sleeping sleeps sleeves slice slices slicing slightly slim sling slip slippery slit
slot slowed slowing slowly slung smart smarter smell smelled smelling smiling smirked smoking smoothing smoothly
sneakers sneered sniffed sniffing snoop snort soared soaring sold soldiers solid soothing sore sought sound sounding
space spaced spaces spain span spanned spanning spans spare spared spat spawning speak speaker speaking speaks speeding
spelled spelling spies spill spilled spine spines spirited spirits splinter splitting spots sprayed spraying spring
springer springs sprinter spur spurred squared squinted squinting stab stables stacy stade stage stages stair stairs
stake stakes stalk stalked stalker stalking stalks stallion stan standings staple starter startled startling startup
state states statues stature steak steamer steel steelers steiner stem stems stephen steppe sterile stevens stew stewart
sticking stilled sting stinging stirling stocked stomped stool store stored stores storing straighten strain straining
straits strand strands stray streaked streaks streets strife strike striker strikers strikes striking string strip
stripe stripes strive stroke stroked strokes stroking stuart stubble studies studying stuffed stuffing stumble stung
subjected subjects subsequent suitable sun sung sunlight suns supplied supported supposedly suspect sven sway swayed
swaying sweeney sweet sweetly sweets swiftly swimming systemic systems table tackles tail tails tainted tales talk
talked talks tallinn tangle tangled tank tanks tanned tanner tapes tapping tasked taxes teaches teaching tearing tears
tend tending tends tens terrace terraces test tested testing tests thanked thankfully thanking theatre theirs theme theo
theorem thereby thereof theresa therese these thin thinks thorough threats threw thriving throbbing ticked ticking tied
ties tighten tighter tightly timbers timed timer timing tingle tip tired tires toad toes token toll tome tone tonight
top topped topping tops tor torch tore torn toro touched touches touring tours tracey tracked trade traded trades
trading tragedy trailers train training trains traits trance trap trapped trapping travelers travellers travelling
travers traverse traversed treat tree trey tri triad trial trials tribes trick tricks trier trieste trim trimmed trio
tripped trois trout troy truce truck trucks trust trusted trustee trusting trusts tuning turbine turf turin turing turk
turks turner twinned twitter tying und uniting unsure unto unwilling vans vase vast vastly vehicles ventura verses
version vest vested viet viewer viewers vimes visions visited visitors vulture waist waiter waived waivers wakes waking
wales walkers walkover wall walled waller walls walter walters wanda wanderers wash water watered watering watkins watt
waves waving wearing wears weave weaving wedge weeds week weeks weighed weighing welding wells wen wept wet wheeler
whereby wherein whig whimper whisper whistle whistled whistling white whoever whorls wicked width wilkins winding winds
winger wings winners winning winters witch witches withdrawal wives women wondered words wore worker workers workings
world worms worried worrying worth wounded wrapped wrapping wright writ write writing writings wrought xander yanking
yawned years yell yelling yells yourselves zack zone
"""
