import type { Dataset } from './dataset.js';
import { fromArrays } from './from-arrays.js';

const LENGTH = 8;
/** Class k is its k-th character; a name that is shorter ends in blanks. */
const ALPHABET = ' abcdefghijklmnopqrstuvwxyz';

const NAMES =
  `aaron abel abigail ada adam adele agnes aida alan albert alec alice alma amanda amber amelia amy ana andrea
andrew angela anita ann anna anton april ariel arnold arthur audrey ava barbara basil beatrice becca ben bernard bertha
beth bianca bob boris brenda brian bruno caleb camilla carl carla carmen carol caspar cecil celia charles chloe chris
clara claude clement cora cyril daisy damian dana daniel daphne darius david dawn deborah dennis diana dora doris dylan
edgar edith edmund edward elena eli elisa ella ellen elliot elsa emil emily emma eric erica ernest esther ethan eugene
eva evelyn felix fiona flora florence frances frank fred frida gabriel gavin gemma george gerald gilbert gina gloria
gordon grace greta gustav hanna harold harriet harry hazel heather hector helen helena henry herbert hilda hugh hugo
ida igor ines ingrid irene iris isaac isabel ivan ivy jack jacob jade james jane janet jason jasper jean jenny jeremy
jesse joan joel john jonas joseph judith julia julian june karen karl kate keith kevin laura lea leo leon leonard leslie
lewis lila lily linda lisa lorna louis louise lucas lucia lucy luke lydia mabel marcus margaret maria marie marina mario
mark martha martin mary matilda maud maurice max maya megan melissa michael mildred miles mina miranda miriam mona
monica morris muriel myra nadia nancy naomi natalie nathan neil nelson nina noah noel nora norman octavia olga oliver
olive olivia oscar otto owen pamela patrick paul paula pearl penelope peter petra philip phoebe quentin rachel ralph
ramona raymond rebecca regina rhoda richard rita robert robin roger roland rosa rose ruby rufus ruth sabina sally samuel
sandra sara selma serena silvia simon sofia sonia stella stephen susan sylvia tamara teresa theo theodor thomas tina
tobias una ursula valerie vera vernon victor victoria viola violet virginia vivian walter wanda wendy wilfred william
winifred xenia yvonne zachary zelda zoe`
    .split(/\s+/)
    .filter((name) => name.length <= LENGTH);

/** First names of up to eight letters as sequences of 27 classes, `[8]`: a blank or a letter in each place. */
export function names(): Dataset {
  const values = Float32Array.from(
    NAMES.flatMap((name) => [...name.padEnd(LENGTH)].map((letter) => ALPHABET.indexOf(letter))),
  );
  return { ...fromArrays({ values, shape: [LENGTH] }), range: [0, ALPHABET.length - 1] };
}

/** The characters of classes, those that are none (the mask) as `·`; blanks at the end are left out. */
export function spell(classes: ArrayLike<number>): string {
  return Array.from(classes, (k) => ALPHABET[k] ?? '·')
    .join('')
    .trimEnd(); // prettier-ignore
}
