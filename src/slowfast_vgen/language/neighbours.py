"""Words of English that look like typing errors of the table's, and are none: a text with one is not understood.

These are the whole words in the vocabulary of the text encoder's tokenizer that `lexicon.nearest_word` would change.
"""

NEIGHBOURS = """
aback able ace acton adapted adapting adjunct agents aground ahmad ahmed aided aiding aimee aired airing airways alain
alerted alex alexia algiers alleged alleging allen allotted alloy alloys almighty alone alt altar altered altering
amazing among ample amusing anders angel angeles angelina angels angered angie anglo ankle ankles anna annually ants
arch arched arches arching ares argent arguing arising armed arms aroused arts ash ashes aside atop auction aviator
awarded awarding awhile bach backpack backyard badge badges bait baking ball balls band bands banging bank banking
banned banner banning bar bare barge bark barking barry bars base based bases bash bath baths beads beak beam beaming
beams bean beans beard bearer bearings beating beau beck bed bedford beds beer beers bees begging beginnings beijing
beings beit belarus belgian belinda bell bells belt ben benin benz bergman bert best bet bets betting bidding bike bikes
biking bind binding binds bing bite black blaming blast blazing bleeding blend blending blinding blinking boar boarding
boating bodo boeing boer bold bond bonding bonds bone bony book booked booking books border bored borg boring born borne
borough boroughs bose bought bound bout boyd brace braced bracing braking branding brawl breaking breeding breeze brent
brest brew brewing brick bride briefing brig briggs bright brink broad brody broughton brush brushed brushes brushing
buck buddies budget budgets buick bulge bulging bull bulls bundled bundles burgess burn burned burning burns burying
bush bushes bust buzzing cade cafe cage caitlin cake cakes cale call calling calls calming camel cameo cameras cameron
camp camping cane canned canning cans cape captained captains care carefully carey carly carr carriages carrie carrier
carriers carved carving carvings cary case cases cash cast casting cater cats cause caused causes causing cave caves
ceiling cello certain certainty chained chaired champs chance chancel chances chang channel channels chanting chaplain
characters charge charged chargers charges charging charles charming charred charted charter charting chase chased
chases chasing chatting cheated cheating cheek cheeks cheer cheered cheering chen chewing chick chicken chicks child
chile chili chilly chip chips chuck chuckled churning cite clashed clashes clasped classed classes clauses cleaned
cleaning cleansing cleared clearing clicked clicking clinging closed closely closes closest closet closing closure
clover cluster coarse coating code codes coding cody coin coke cold cole com coma comb combine comet comets commanded
commander commanding commando commandos commands commended comment commented commenting comments commerce commons
commune communes commuted commuter como company compete competed competes compiler completed completely completes
complex complexes composer compute computed computers comte cone cones confined confines contain contained containing
continual continuity continuous continuum convince convinced convinces convincing cook cooked cooking cooks cooling coop
cope coping copying core cores correct correctly costing cote couch counsel counted counting coupe coupled couples
courage courier courses cove cover coward crack cracked cracking cracks cradled crafted cramped crashed crashes crashing
craving crawley creaked created creates creating cree creed creek creeks creepy crest crested crew cried cries cringed
crowded crowley crowned crush crushed crushing crying crypt cubs cues cunning cups cure cured curled curling currents
curry curse cursed curses cursing curtain cute cutter dancing dangling dans daring darting das dawn daze dazed dazzling
dealing decent decree decreed decrees deeds deep deer defected defects delaying delight dell dept derive derived derives
detected detecting detection dialect dialects ding directional directions directive directly director directors dish
dishes dive diverted diving docking dogs doin doll dollars dolls dolores dome domes domingo dong donna doping dove dover
downing draft drafted drafting drafts drag dragging drain draining drawers drawings dreaming dress dressed dresses
dressing dried drilled drilling drinking drip dripped dripping driver drivers drones drought drown drowned drowning
drying dull dust dying earliest earning ears easiest east easter easy eater eating editing egan ejected elected emotion
employer end ending ends endure endured enduring ensued ensuing entering entirely entirety entries epithet erase erased
erected est esther ether everton evolve evolved evolving ewing exactly excited exciting excused excuses execution
executions executive executives expected expecting explode exploded explodes explore explored explorers explores extract
eyed facades fact faction factions facts fade faded fades fading fae failing fails fake fallon fame famed fans fare
fares farming fashioned fastest fatally fate fated fates father fathers favored favors favoured faye fearing fears
feather feeding feeds feeling fees fellow fellows felt femme fencing fest fiction fielded fielding fight filed fill
filling fills finch findings fined fines finger fingered fingers fins fired firth fished fishes fishing fission fist
fitting flaming flat flats flavor flavors flavour fleeing fleeting flight flirting flooded flooding flopped flower
flowing fold folding folds folk follower followers folly font footing footprint foraging forbes force forced forces
forcing fore forearm forearms foreign forgive forks formal formed forming forrest forster forsyth fort forte forts
foster fought found founded founding fourth frail framing frances freaking freeing fremont friction fried friendly
friends fries fright frontal fronted fronts frost fucking function funded funding funds furry gabe gage gain gaining
gale gall gamble gambling game games gaming gaped gaping garry gases gasping gate gates gather gaza gears geek gems gene
general generals generation generations generator generators gently gilded giles gin ginger glaring glasses glazed
glider glowing gods gold gong gore gorge gould gown grace graceful grading granted granting gravel grazed grazing
greater greatly greet greeting greta grew grin grinding grip groaned groin grounded grounds grouped grove grover growing
guide guided guides guiding guns gust guts hack hacking hades hal hale hall halls halo halves hamlets hampered hanged
hanging hank hanna hans happier happily hardened hare harp harriet harry hart harvest hash hastings hat hated hates
hating hats hauling haunted haunting haven hayes haze header headline heal healed healing heap hear heard hearing
hearings hears heat heated heating heats heaved heavens heaving heck hedge hedges hee heel heels hell helm herb herd
herds herr herring hers hicks hide hides hiding hill hills hilt hines hip hips hire hired hires hiring hissing hitting
hive holders holdings hole holes hollow holly holm holy home homes honesty honored honoring hooded hooker hoop hopkins
hound hove howard howling hull humane humans hunan hunting hurdles hurling hurriedly hurting hush hushed huskies huts
ile immediate imply inc inca incline incomes incoming indexed indo induced initial initials initiation initiative
initiatives install instance instinct instructional instructions instructor intently intimate inward isle isles ives
jace jack jagged jase jaws jeep jens jets jingle jobs jody join joining joint joints jolly jorge journal journeys judge
judged judges judging keating keel keen keepers kemp kent kicked kicking kicks kinds kite kneeling lace lack lacking
lakes lance lange lantern largely larger largest larry las laser lash lashed lashes lass lasting lasts late lateral
latter laws layer leaders leading leads leagues leaked leaking leaned leaning leans leaped leaping learned learning
lease leased leases leasing least leather ledge leeds leftist legs len lena lend lending lent les less lest letter
lettering letters licked licking lid lied lies lift lifting light likened lined liner lines lining linked linking list
listing liter littered lived lives living load loading lobster locating locations lock locked locking locks lodging loft
logged logging logs lok lone longing loomed looming loop loops looted looting lore loser lost lottery loved lover loves
loving lower lowered lowering lurking lush lust mace mach machine mack maker makers males mall malls manager mankind
manned manners manning mans mapping marc marche marco marge marines markers markets marking markings married marries
marry marrying marsh marshes masked mast master match matched matches matching mater mates math mating maze mead meaning
meek megan mention mentoring mets mike minded minds mixed modes mold mole molly momentum monarch money monitor monitored
monitoring monitors monument moor moors morning mort moses mothers motioned motions motives motorized mound mountain
mountains movie movies muddy mundo nash neared nearest nearing needles needy nell nest nesting nests nets netting night
nike node noon norma normally norman north notation nothin noticing noting notion nude null nuns nursing nuts oath oder
older olds oman onboard ordered orderly orders ore oriental originally originals originate origins ounce outs outward
owing pac pack packed packers packets packing packs pact pads page pages pained pains paint painted painter painting
paintings paints pairing palace palaces pale pang panicked panted panting pants parcels parking parry parsons parting
pas passed passes passing past patch patches paterson patted patting pauline paved paving paws paying pays peace peak
peaked peaking peaks pear pearson peck peel peeled peeling peking pending penned pens pension peppers per pere performer
performers perkins persian persona personal persons perspectives pest peter peters peterson petition petitioned
petitions pets phelps pickering picket pier pierced piercing piers pike pill pills piloted pilots pin pinch pinched
pinned pinning pins pitched pitching pitted pivotal placed places placing plane planned planner planning plans planted
planting plaster plate played players playing pleaded pleading pleas pleasing pleasure pledged plight plot plots plotted
plotting plucked plush pod pods poet pointe pointedly pointer poll polled polling polls polly ponce ponder pont por pork
porn porte portion portions porto ports positive post posting postponed pot potion pouch pound pounded pounding powered
praised praises praising prayer prayers praying preceded preceding precious prefect prefers premises presence presented
presenter presents presided president presiding presley pressured pressures preston presumed pretend pricing pride
priests print printed printer printing prints proceedings process processed processes processing programs progression
progressive prone properly property prophet propped prospective protagonists prove prowess pudding pulp pulsed pulsing
punched punches punching punished pursued pursuing puzzled quarrel quarterly quarters quartet quieter quietly race raced
racing rack racks raid raiders raiding rail railing rails raining raising rallied rally ranging ranking raped rapidly
rapids rash rate raw reacher reacted reacting read readily reading reads real reality rebound recalls receipt receive
received receives receiving recently recipes recited recorded recording recover recreated recurring redding reddy
reduced reduces reducing reeling rees referee referees referred referring regain regained regaining regan regent regents
regimes regrets regretted reilly reiterated rejected rejecting rejects rejoined related relates relating relation relay
release released releases releasing relying remainder remarked remarks remind reminded reminder reminding reminds
remixed remixes remorse removed removes removing renamed renaming renewed rent rented rents repaired repairing repairs
repeated repeating repeats replace replaced replaces replacing reported reporting reports reprint reprinted reputed
rescued rescues rescuing resented reserve reserved reserves reset resides resolve resolved resolving resorts restored
restoring resulted resulting results retain retained retaining retains retired retiring retorted retracted reuters
revealed revealing reveals revenge revenue revenues revered reverend reversal revised revived revoked revolver rewarded
rewards reyes rhode rice rid rider riders ridge ridges rift rights ring ringing rings rip ripe ripping rise rises rising
risk risking rita rites river roads roam roaming roar roaring roasted robe roberts robotic robots rocking rodeo rodgers
rods rogers role roles rolf roller rollins roman rome rook root rope rose rot rotational rotor rotten rotting rouge
rounded rounding rounds rouse routed routine routines routing rovers rowe rower rubbing rubs rude ruining ruins rune
runes ruse russ rust rustling ruth sable sack safe sage sailing sake sale salt salts sam sami sand sanders sands sane
sash saunders save saves saving savings saxe saying says scaling scare scared scares scarred scented schooling schools
scoffed scoop scooped scoring scots scott scout scouting scouts scowled scripted scripts scroll scrolling scrolls sean
searing sears seas seated seating secondly seed seeded seeds seek seekers seeking seeks seem seeming seems seizing sell
selling sells sen send sending sends senegal sensing sep sept serve served servers serves serving settings settled
settler settles settling severed severely sewing sexes shadows shaft shafts shale shallow shame shandong share shared
shares sharing shark sharpe shawn shay sheen sheep sheer shell shelves shen shifter shifters shin shining ship shipped
shipping ships shirts shit shivered shivering shivers shocking shoes shook shooter shooting shoots shop shopping shops
shore shorter shortly shorts shot shots shouldered shout shouted shouting shoving shower showers shrines shrinking
shudder shutter shutting shuttle sided siding sigh sighs sighted sights signing simple simpler sin sing singer singers
singing singled singles sings sinking sins sire site sites sitting sizable size sizes skill skilled skin skins slade
slater slayer sleep sleeper sleeping sleeps sleeves slice slices slicing slightly slim sling slip slit sloping slot
slowed slowing slowly slung smaller smart smarter smeared smell smelled smelling smiling smirked smoking smoothed
smoothing smoothly snarled sneakers sneered sniffed sniffing snoop snort soared soaring sold solid soothing sore sort
sought sound sounding space spaced spaces spain span spanned spanning spans spare spared sparked spat spawning speak
speaker speaking speaks speeding spelled spelling spiders spies spill spilled spine spines spirited spirits spit
spitting splinter splitting sport spots spotted spotting sprayed spraying spring springer springs sprinter spur spurred
squared squinted squinting stab stables stacy stade stage stages stained stair stairs stake stakes stalk stalked stalker
stalking stalks stallion stan standings stanley staple star stark starr starred starring stars starter starters startled
startling startup starved starving stat state states stats statues stature steak stealing steamer steel steelers steep
steiner stem stems stephen steppe sterile sterling stevens stew stewart sticking stifled stil stilled stills sting
stinging stirling stocked stomped stool store stored stores stories storing stormed straighten strain straining strains
straits strand strands stray streaked streaks streets strife strike striker strikers strikes striking string strings
strip stripe striped stripes strive stroke stroked strokes stroking stuart stubble studies studying stuffed stuffing
stumble stung styling subjected subjects subsequent suitable sun sung sunlight suns supplied supported supposedly
suspect sven sway swayed swaying swearing sweating sweeney sweet sweets swiftly swimming swirled swirling systemic
systems table tack tackles tail tails tainted tales talk talked talking talks tall tallinn tangle tangled tank tanks
tanned tanner tapes tapping tasked tasting taxes teaches teaching teaming tearing tears tease teased teasing teen tend
tending tends tens terrace terraces test tested testing tests thanked thankfully thanking theatre thee theme theo
theorem thereby thereof theresa therese these thin thinks thorough threats threw thriving throbbing ticked ticking tides
tied ties tighten tighter tightly tilting timbers timed timer timing tingle tip tired tires toad toes token toll tome
tone tonight top topped topping tops tor torch tore torn toro touched touches tough touring tours tracey tracked
traction trade traded traders trades trading tragedy trailer trailers train trained training trains trait traits trance
trap trapped trapping travelers travellers travelling travers traverse traversed treat treated treating tree trees tres
trey tri triad trial trials tribes trick tricked tricks trier trieste trim trimmed trio tripped trips trois troll trolls
trough trout troy truce truck trucks trust trusted trustee trusting trusts tugging tuning turbine turf turin turing turk
turks turner twinned twitter tying und uniting unsure unto unwilling vans vase vast vastly vehicles ventura verses
version vest vested viet viewer viewers viking vimes visions visited visitors vulture waist waiter waived waivers wakes
waking wales walkers walkover wall walled waller walls walter walters wanda wanderers wash washed washing wasted wasting
water watered watering watkins watt watts waves waving wearing wears weave weaving wedge weeds week weeks weep weeping
weighed weighing welding wells wen wept west wet whaling wheeler whereas whereby wherein whig whimper whisper whistle
whistled whistling white whitley whoever whorls wicked width wight wilkins willing winding winds winger wings winners
winning winters wit witch witches withdrawal wits wives women wondered wonders words wore worker workers workings world
worms worried worrying worth wound wounded wrapped wrapping wright writ write writhing writing writings wrought xander
yanking yawned years yell yelling yells yours yourselves zack zone
"""
