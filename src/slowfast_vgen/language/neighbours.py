"""Words of English that look like typing errors of the table's, and are none: a text with one is not understood.

These are the whole words in the vocabulary of the text encoder's tokenizer that `lexicon.nearest_word` would change.
"""

NEIGHBOURS = """
aback able adapted adapting aground ahmad aided aiding alain allen alt amazing ample amusing anders angel angeles
angelina angels angered angie anglo ankle ankles arch arched arches arching arguing aroused ash ashes aside atop awarded
awarding bach backpack backyard badge badges bait baked baking ball balls ban band banded bands bane bang banged banging
bangs banker bankers banned banning bar bare bared barked barking barry bars base based bases bash bath bathing batting
bea beads beak beam beamed beaming beams bean beans beard bearded bearer bearings beating beau beck bed bedford beds
beer beers bees behaved beijing beit belarus belinda bell belt ben bender benz bert best bet bets betting bike bikes
biking bind binding binds black blaming blank blanket blast blazing bleeding blend blended blending blinded blinding
blinked blinking boar boarded boarding boating bodo boer bold bond bonded bonding bonds bone bony book booked booking
books bored borg born borne bose bound bounded bout boy boyd brace braced bracing braking branded branding brawl
breaking breeding breeze brent brest brew bride bridges bright broad brody brush brushed brushes brushing buck buddies
budget budgets bulge bulging bull bulls bundles bunk burgess burn burned burning burns burying bush bushes bust buzzing
cade cafe cage cake cale call called calling calls calming camel cameo cameras cameron camp camping cane canned canning
cans cape care careers carey carly carr carriages carrie carrier carriers carved carving carvings cary cases cash cast
cats cause caused causes causing cave ceiling charred chase chased chases chasing chatting cheek cheeks chen chewing
chick chicken chicks chuck chuckled churning clashed clashes clasped classed classes clauses cleaned cleaning cleansing
cleared clearing clicked clicking close closed closely closes closest closet closure clover cluster coarse code coded
codes coding cody coe coin coke cold cole com coma comb combine comedic comedy comet comets como comte cone cones
confined confines contained containing continual continuity continuous continuum convince convinced convinces convincing
cook cooked cooking cooks cooling coop cope coping copying core cores costing cote counsel counted counting coupled
courage courier courses cove coward crack cracks cradled crafted cramped crashes crawley creates cree creed creek creeks
creepy crest crested crew crowded crowley crowned crush crushed crushing crypt cubs cues cunning cups cure cured curled
curling curry cursed curses cursing cute cutter dancing dangling dans darling darting das dawn daze dazed dead dealing
decent decreed decrees deep deer delaying dell deprived dept derive derived derives detection dew directional directions
directive director dish dishes dive diving dogs doin doll dollars dolls dolores dome domed domes dove draft drafted
drafting drafts drag dragged dragging drain draped drawer drawers drawings dreamed dreaming dress dressed dresses
dressing dried drip driver drivers drone drown drowned drowning dull dust earliest earning ears easiest east easy eating
editing emotion end ended ending ends ensuing entirely entirety entries epithet erase erased est esther ether evolve
evolved evolving ewing exactly extract eyed facades fact facts fade faded fades fading fae failed failing fails fake
fallon fame famed fans fare fares fate fated fates father fathers faye feared fearing fears feather feeding fees fellow
fellows felt fencing fest filed fill filled filling fills filming finch fined finger fingered fingers fired firth
flaming flat flats fleeing flirting flooded flooding flopped fold folded folding folds follower followers folly font
footing footprint foraging forbes force forced forces forcing fore forearm forearms foreign foreword forgive formed
forming forrest forsyth fort forts found fourth frail framing frances freaked freaking freeing fremont fright frontal
fronts frost fucking furry gabe gage gain gale gall gamble gambling game games gaming gaped gaping garry gases gasping
gate gates gaza geared gears geek gems gene gilded gin ginger glasses glazed glider god gods gold gong goo gore gorge
goth gould gown grace granted granting gravel grazed grazing greeted greeting grew grin grinding grip gritted groaned
groin grounded grounds grouped grove growing guide guided guides guiding guns gust guts hack hal hale hall halls halo
hamlets hanging hank hans hare harriet harry hart hash hastings hat hated hating hats hauling haunted haunting haze
header headline heal healed healing heap hear heard hearing hearings hears heat heated heating heats heaved heaving heck
hedge hedges hee heel heels hell helm hen her herb herds hero herr hers hide hides hiding hilt hines hired hires hiring
hissing hive holden holder holders holdings hole holes hollow holly holm holy home homes honored honoring hooker hoop
hopkins hound hove howard hull hunting hurdles hurling hurriedly hush hushed huskies huts ich ike ile immediate inc inca
incline incomes incoming indo inward isle isles jack jagged jase jaws jeep jens jets jobs jody join joining jolly jorge
journal journeys judge judged judges judging keating keel keen keeper keepers kemp kent kneeling lack lacking lance
largest larry las lash lashed lashes lass lasts laws lead leading leads leaking leans least ledge leftist legs len lena
lend lending les less lettering letters licking lid lift liner linking list liter littered load loading lobster locating
locations lock locked locking locks lodging loft logged logging logs lok lone longing loomed looming loop loops looted
looting lore loser lost lottery loved loves loving lowered lowering lurking lush lust mach machine mack mall malls
manned manning mans marc marche marco marines marking married marries marry marrying marsh marshes mast match matched
matches matching math maze mead meek mention mentoring mets mike mixed moaning mocking modes moe mold molded mole molly
monarch monitor monitored monitoring monitors monument moor moors morning mort moses mothers motioned motions motives
motorized mound mountain mountains movie movies mundo nash neared nearest nearing nell nest nesting nests nets netting
nike nodding node noon north notation notion nude null nuns nursing nuts oath ode olds onboard ore oriental originally
originals originate origins ounce outs outward owing pac pack packed packers packets packing packs pact pads page pages
pained pains painted painting palace pale pang panted panting pants parcels parry pas passed passes passing past patch
patches paths pauline paved paving paws paying pays peak peaked peaking peaks pear peck pee peel peeled peeling peking
pending penned pens peppers per pere perkins perspectives pest peter peters petition pets pier pierced piercing piers
pike pill pills piloted pilots pin pinch pinched pinned pinning pins pivotal placing plane planned planner planning
plans planted planting plate playing pleading pleas pleased pleasing pleasure pledged plot plots plush pod pods poet
poll polled polling polls polly ponce pont por pork porn porte portion porto ports positive post posting pot potion
pound powered praying preceded preceding precious prefers premises presided presiding presley pressured pressures
presumed pricing pride priests print printed printing prints proceedings programs progression progressive propped
prospective prove pulp pulsed pulsing pumping pun punched punches punching punished pursued pursuing puzzled qui quiet
quieter quietly quilt quintet quite quiz quoted quoting racks raided raiders raiding rail railing raising rallied
ranging rank ranked ranking ranks rash raw reacted reacting reading reads real reared rebound receipt receive received
receives receiving recently recipes recorded recording recreated recurring reduced reduces reducing rees referee
referees regain regained regaining regent regimes regrets regretted reiterated rejected rejecting rejects rejoined
related relates relating relation relay release remainder remarked remarks remind reminded reminder reminding reminds
remixed remixes remorse removed removes removing renewed rent rented rents repaired repairing repairs replace reported
reporting reports reprint reprinted res rescues reserve reserves reset resolve resolved resolving restored restoring
retain retained retaining retains retired retiring retorted retracted reveals revenge revenue revenues reversal revised
revived revoked revolver rewarded reyes rhode rice rid rider riders ridge ridges rift rights rip ripe ripping rise rises
rising rite rites roads roam robe roberts rocking rodeo rods roe role roles rolf roller rollins rome rook rope rose rot
rotational rotor rotten rotting rouge rounding rounds rouse routed routes routine rowe rubs rude ruined ruining ruins
rune runes runner runners ruse ruth sable sack safe sage sake sale salt salts sam sami sand sanders sands sane sank sash
saunders save savings saxe saying says scare scared scares scented schooling schools scoffed scoop scooped scots scott
scout scouting scouts scowled scripted scripts scroll scrolling scrolls sean searing sears seas seed seeded seeds seek
seekers seeking seeks seem seemed seeming seems sell sen send sending sends sensing sep sept serve served servers serves
serving severed sewing sexes shaft shafts shame shandong share shared shares sharing shay sheen sheer shelves shen
shifter shifters shin shirt shirts shit shivered shivering shivers shook shoot shooter shooting shoots shop shopping
shops shot shoulder shouldered shouted shouting shrines shrinking shutter shutting shuttle siding sigh sighs sighted
sights signing sin sing singer singers singing singled sings sinking sins sire site sitting sizable size skill skilled
skin skinned skinner skins slade sleeves slice sliced slices slicing slim sling slip slit slot slowly slung smaller
smelled smelling smiling smirked smoothed smoothing sneakers sneered sniffed sniffing snoop snorted soared soaring sold
solid soothing sore sort soto sound sounded sounding space spaced spaces spain span spanned spanning spans spare spared
sparked spat spawned spawning speak speaker speaking speaks speed speeding spelled spelling spiders spies spill spine
spines spirited spirits splinter splitting sport spots spotted spotting sprayed spraying spring springer springs
sprinter spur spurred squared squinted squinting stab stables stacy stade stage stages stair stairs stake stakes stalk
stalked stalker stalking stalks stallion stan standard standings staple stark starr starter starters startling starved
stat state states stats statues stature ste steak steamer steel steelers steiner stem stems stephen steppe sterile
stevens stew sticking stilled sting stinging stirling stocked stomped stool store stored stores storing straighten
strained straining strains strand stranded strands stray streaked streaks streets strife strike striker strikers strikes
striking string strip stripe striped stripes strive stroke stroked strokes stroking stubble studied studies studying
stuffed stuffing stumble stung subsequent suit suitable suited suits sun sung suns sven sway swayed swaying swimming
table tack tail tainted talk talked talking talks tangle tangled tank tanks tanned tasting tay teaches teaching teaming
tearing tears teen tend tended tending tends tens terrace terraces test tested testing tests theatre them theme theo
theorem thereby thereof theresa therese these thin thorough through ticking tides ties tilting timbers timed timer tip
tires toad toes toll tome tone top topped topping tops tor tore torn toro tough touring tours tracey tracked trade
traded trades trading tragedy trailer trails train trained training trait trance trap trapped trapping traveler
travelers traveller travelling travers traverse traversed tre tree trees tres trey tri trial trick tricks trim trio
trips trois trough trout troy truce truck trucks tun tuning turbine turf turin turing turk turks turner twinned twitter
und uniting uno unto unwanted unwilling vans vase vast ventura verses version vest vested vie viet viewer viewers viking
vimes visions visitor vulture wai waist waiter waived waivers waking wal wales walker walkers wall walled walls walters
wanderers wash washed washing wasted wasting wat watered watering watkins watt watts wearing wears wedge week weeks weep
weeping welding wen wept west wet wheeler whereby wherein whipped whipping whistled whistling whitley whoever whore
whorls width wilkins winged winger wings winners winters witch withdrawal wonder wondered wondering wonders wore world
worth wound wright writ writhing writing writings xander yank yanked yanking yawned years yell yours zack zone
"""
