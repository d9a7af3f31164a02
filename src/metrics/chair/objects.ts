/** COCO's 80 categories, each with words and phrases that captions have for it, in the singular. Written for this project. */
const CATEGORIES: Readonly<Record<string, string>> = {
  person:
    'man, woman, boy, girl, child, kid, baby, toddler, infant, adult, teenager, teen, youngster, lady, gentleman, guy, fellow, dude, people, crowd, ' +
    'player, batter, pitcher, catcher, umpire, referee, athlete, golfer, runner, jogger, skier, snowboarder, skateboarder, skater, surfer, swimmer, ' +
    'biker, cyclist, bicyclist, motorcyclist, rider, jockey, driver, passenger, pedestrian, commuter, hiker, climber, walker, tourist, spectator, ' +
    'bystander, onlooker, audience, worker, chef, waiter, waitress, baker, bartender, vendor, shopper, customer, farmer, cowboy, fisherman, ' +
    'policeman, policewoman, officer, soldier, fireman, firefighter, pilot, sailor, doctor, nurse, dentist, teacher, student, schoolboy, schoolgirl, ' +
    'musician, singer, dancer, clown, bride, groom, couple, mother, father, mom, mum, dad, parent, son, daughter, brother, sister, grandmother, ' +
    'grandfather, grandma, grandpa, husband, wife, friend, family, businessman, businesswoman, somebody, someone',
  bicycle: 'bike, cycle, push bike, mountain bike, tricycle, unicycle',
  car: 'automobile, auto, sedan, taxi, cab, taxi cab, suv, jeep, minivan, hatchback, convertible, station wagon, police car, limousine, limo, race car',
  motorcycle: 'motorbike, motor bike, motor cycle, moped, scooter, dirt bike, motor scooter, vespa, harley',
  airplane:
    'plane, aeroplane, aircraft, jet, airliner, jetliner, jumbo jet, passenger jet, biplane, seaplane, fighter jet, propeller plane',
  bus: 'coach, minibus, double decker, double decker bus, school bus, tour bus, trolley bus',
  train:
    'locomotive, steam engine, tram, streetcar, railcar, subway train, passenger train, freight train, commuter train, caboose',
  truck:
    'lorry, pickup, pick up truck, pickup truck, fire truck, fire engine, firetruck, semi, trailer truck, tow truck, dump truck, delivery truck, semi truck',
  boat: 'ship, sailboat, sail boat, yacht, canoe, kayak, raft, ferry, rowboat, row boat, speedboat, motorboat, tugboat, barge, gondola, dinghy, catamaran, cruise ship, sailing boat',
  'traffic light': 'stoplight, stop light, traffic signal, signal light, street signal, street light signal',
  'fire hydrant': 'hydrant, fireplug',
  'stop sign': '',
  'parking meter': '',
  bench: 'park bench, pew',
  bird: 'seagull, gull, pigeon, dove, duck, duckling, goose, swan, parrot, parakeet, owl, eagle, hawk, crow, raven, sparrow, robin, finch, hummingbird, chicken, hen, rooster, turkey, peacock, flamingo, pelican, stork, heron, crane bird, penguin, ostrich, cockatoo, woodpecker, toucan, vulture, falcon',
  cat: 'kitten, kitty, tabby, tomcat, feline, kitty cat',
  dog: 'puppy, pup, hound, canine, doggy, doggie, terrier, poodle, retriever, golden retriever, labrador, dachshund, bulldog, chihuahua, collie, pug, beagle, husky, dalmatian, german shepherd, corgi, sheepdog, sheep dog, greyhound, spaniel, rottweiler, pit bull',
  horse: 'pony, foal, mare, stallion, colt, mustang horse, racehorse, bronco',
  sheep: 'lamb, ewe, ram sheep',
  cow: 'cattle, bull, calf, ox, heifer, steer, bovine, dairy cow, longhorn',
  elephant: '',
  bear: 'polar bear, grizzly, grizzly bear, black bear, brown bear, bear cub, panda, panda bear',
  zebra: '',
  giraffe: '',
  backpack: 'rucksack, knapsack, back pack, book bag, bookbag',
  umbrella: 'parasol',
  handbag: 'purse, hand bag, pocketbook, shoulder bag',
  tie: 'necktie, neck tie, bow tie, bowtie',
  suitcase: 'luggage, suit case, baggage, briefcase, piece of luggage',
  frisbee: 'flying disc, flying disk, disc, disk',
  skis: 'ski',
  snowboard: 'snow board',
  'sports ball':
    'ball, baseball, football, soccer ball, basketball, volleyball, tennis ball, beach ball, rugby ball, golf ball, softball, bowling ball',
  kite: '',
  'baseball bat': 'bat',
  'baseball glove': 'mitt, baseball mitt, catchers mitt',
  skateboard: 'skate board, longboard',
  surfboard: 'surf board, boogie board, body board, bodyboard, paddle board',
  'tennis racket': 'racket, racquet, tennis racquet',
  bottle: 'wine bottle, beer bottle, water bottle, bottle of wine, bottle of water, bottle of beer',
  'wine glass': 'wineglass, glass of wine, goblet, champagne glass, champagne flute',
  cup: 'mug, teacup, tea cup, coffee cup, coffee mug, paper cup, cup of coffee, cup of tea',
  fork: '',
  knife: 'butter knife, steak knife, pocket knife',
  spoon: 'teaspoon, tablespoon, ladle',
  bowl: '',
  banana: 'plantain',
  apple: '',
  sandwich: 'hamburger, burger, cheeseburger, sub, panini, hoagie, blt',
  orange: 'tangerine, clementine, mandarin',
  broccoli: '',
  carrot: '',
  'hot dog': 'hotdog, frankfurter, corn dog',
  pizza: 'slice of pizza, pepperoni pizza',
  donut: 'doughnut, bagel',
  cake: 'cupcake, birthday cake, wedding cake, cheesecake, chocolate cake, layer cake',
  chair:
    'armchair, arm chair, stool, rocking chair, recliner, lawn chair, beach chair, high chair, highchair, office chair, deck chair',
  couch: 'sofa, loveseat, love seat, settee, futon',
  'potted plant': 'houseplant, house plant, pot plant, flower pot, plant pot, potted flower, bonsai',
  bed: 'bunk, bunk bed, bunkbed, mattress, crib, cot, headboard',
  'dining table': 'table, dinner table, kitchen table, coffee table, picnic table, tabletop, desk',
  toilet: 'urinal, toilet seat, toilet bowl, commode, bidet',
  tv: 'television, television set, tv set, flat screen, flatscreen, flat screen tv, monitor, computer monitor, computer screen',
  laptop: 'laptop computer, notebook computer, macbook, netbook',
  mouse: 'computer mouse, wireless mouse',
  remote: 'remote control, controller, game controller, wii remote, wii controller, video game controller, wiimote',
  keyboard: 'computer keyboard',
  'cell phone': 'phone, cellphone, mobile phone, smartphone, smart phone, telephone, iphone, flip phone',
  microwave: 'microwave oven',
  oven: 'stove, stovetop, stove top, range oven, toaster oven',
  toaster: '',
  sink: 'washbasin, wash basin, kitchen sink, bathroom sink',
  refrigerator: 'fridge, freezer, refridgerator',
  book: 'novel, textbook, magazine, paperback, cookbook',
  clock: 'alarm clock, wall clock, clock face, grandfather clock, clock tower',
  vase: 'flower vase',
  scissors: 'pair of scissors, shears',
  'teddy bear': 'teddy, stuffed bear, toy bear, stuffed animal',
  'hair drier': 'hair dryer, hairdryer, blow dryer, blowdryer',
  toothbrush: 'tooth brush',
};

/** Phrases with the word of a category that stand for something else. */
const OTHERS =
  'train station, train track, train tracks, train yard, railway station, bus stop, bus station, bus depot, car park, car seat, car door, boat house, boat dock, boat ramp, ' +
  'bird house, bird cage, bird bath, bird feeder, dog house, dog park, dog bed, dog bowl, dog leash, dog collar, cat fish, cat bed, cat food, dog food, cat tail, cow boy hat, cowboy hat, ' +
  'cowboy boot, horse shoe, horse trailer, horse carriage, sea horse, rocking horse, hobby horse, baby bottle, bear rug, bottle cap, bottle opener, toilet paper, toilet brush, toilet tissue, ' +
  'tissue paper, bed room, bed sheet, bed spread, flower bed, river bed, truck bed, table cloth, table tennis, water table, book shelf, book case, book store, book stand, oven mitt, ' +
  'oven glove, sink hole, clock work, orange juice, apple juice, apple pie, apple tree, orange tree, banana tree, banana leaf, carrot cake, pan cake, baseball field, baseball game, ' +
  'baseball player, baseball cap, baseball team, baseball uniform, baseball hat, football field, football game, football player, football team, basketball court, basketball player, ' +
  'basketball game, basketball hoop, tennis court, tennis player, volleyball court, volleyball player, volleyball game, soccer field, ball game, ball gown, ball cap, ball field, ball room, ' +
  'ski lift, ski slope, ski resort, ski pole, ski jump, ski trail, ski lodge, ski suit, ski hat, kite string, umbrella stand, people watching, family room, phone booth, phone box, pay phone, ' +
  'pizza box, pizza oven, pizza cutter, pizza parlor, pizza dough, cake stand, cake pan, cake knife, cup holder, cup board, bowl cut, punch bowl game, knife block, fork lift, bench press, ' +
  'person hole, man hole, hot dog stand, hot dog bun, hot dog cart, coach house, jet ski, jet lag, elephant seal, sub way, sub marine, chair lift, keyboard player, piano keyboard, music keyboard, ' +
  'electric keyboard, mouse trap, tv show, tv stand, remote area, remote island, remote location, desk top, desktop computer, tie dye, tie dyed, laptop bag, laptop case, airplane hangar, plane ticket, ' +
  'bicycle rack, bike rack, bike path, bike lane, bicycle lane, bicycle helmet, bike helmet, bike trail, motorcycle helmet, motorcycle jacket, horse back, sheep skin, zebra crossing, teddy boy, ' +
  'crib sheet, wedding couple dance, couple of, crane, semi circle, scooter board, taxi stand, taxi way, bull dozer, bull horn, bull ring, turkey sandwich, chicken sandwich, chicken wing, chicken salad, ' +
  'chicken soup, fried chicken, grilled chicken, baked chicken, roast chicken, chicken breast, duck tape, goose bump, egg nog, ship yard, ship wreck';

/** The plurals that no rule makes. */
const IRREGULAR: Readonly<Record<string, string>> = {
  men: 'man', women: 'woman', children: 'child', mice: 'mouse', geese: 'goose', oxen: 'ox', calves: 'calf', knives: 'knife', wives: 'wife',
  firemen: 'fireman', policemen: 'policeman', policewomen: 'policewoman', fishermen: 'fisherman', businessmen: 'businessman', gentlemen: 'gentleman',
  businesswomen: 'businesswoman',
}; // biome-ignore format: a table

/** The names of the categories, as COCO has them. */
export const COCO_CATEGORIES: readonly string[] = Object.keys(CATEGORIES);

/** Longest of the phrases, in words. */
const LONGEST = 4;

/** Categories by word or phrase; undefined for what stands for something else. */
const lexicon = new Map<string, string | undefined>();
for (const [category, names] of Object.entries(CATEGORIES))
  for (const name of [category, ...names.split(', ')]) if (name !== '') lexicon.set(name, category);
for (const name of OTHERS.split(', ')) lexicon.set(name, undefined);

/** An object that a caption names: its category, and the words that do so. */
export type Mention = { category: string; words: string };

/**
 * The objects of COCO's categories that a caption names, one entry per mention, in order. Longer phrases come first (`hot dog`
 * is no dog, a `train station` no train), and plurals count as their singular. `orange` is the fruit where no other word follows
 * that it could colour.
 *
 * @param tokens - of the caption in lower case, as `tokenizeCaption` gives them
 */
export function mentionedObjects(tokens: readonly string[]): Mention[] {
  const found: Mention[] = [];
  for (let at = 0; at < tokens.length; ) {
    const match = longestMatch(tokens, at);
    if (match.category !== undefined && !(tokens[at] === 'orange' && isColour(tokens, at)))
      found.push({ category: match.category, words: tokens.slice(at, at + match.length).join(' ') });
    at += match.length;
  }
  return found;
}

function longestMatch(tokens: readonly string[], at: number): { category: string | undefined; length: number } {
  for (let length = Math.min(LONGEST, tokens.length - at); length > 0; length--) {
    const before = tokens.slice(at, at + length - 1).map((word) => `${word} `);
    for (const last of singulars(tokens[at + length - 1]!)) {
      const phrase = `${before.join('')}${last}`;
      if (lexicon.has(phrase)) return { category: lexicon.get(phrase), length };
    }
  }
  return { category: undefined, length: 1 };
}

/** A word and what it may be the plural of; `people` and `skis` are in the list as they are. */
function singulars(word: string): string[] {
  const forms = [word];
  if (Object.hasOwn(IRREGULAR, word)) forms.push(IRREGULAR[word]!);
  if (word.endsWith('ies')) forms.push(`${word.slice(0, -3)}y`);
  if (word.endsWith('es')) forms.push(word.slice(0, -2));
  if (word.endsWith('s') && !word.endsWith('ss')) forms.push(word.slice(0, -1));
  return forms;
}

/** Words after which an orange is an orange. */
const AFTER_NOUN = new Set(
  'and or on in at with next near beside by of from to for is are was sits sitting lying lies that which , . ; ! ?'.split(
    ' ',
  ),
);
const COLOURS = new Set(
  'black white red blue green yellow brown grey gray pink purple silver gold tan orange'.split(' '),
);

function isColour(tokens: readonly string[], at: number): boolean {
  const [next, second] = [tokens[at + 1], tokens[at + 2]];
  if (next === undefined) return false;
  if (next === 'and' || next === 'or' || next === ',') return second !== undefined && COLOURS.has(second);
  return !AFTER_NOUN.has(next);
}
