// Writes an editing history to standard output; README.md says what it is.

const SEED = 20;

/** A small generator of numbers (mulberry32), so that every run writes the same. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(SEED);
const below = (limit) => Math.floor(random() * limit);

let text = '';
const edits = [];

function edit(position, deleted, inserted) {
  if (deleted === 0 && inserted === '') return;
  text = text.slice(0, position) + inserted + text.slice(position + deleted);
  edits.push([position, deleted, inserted]);
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** A slip of the fingers in a word: two letters swapped, one doubled, left out, or another. */
function misspelt(word) {
  const at = below(word.length - 1);
  const [head, one, two, tail] = [word.slice(0, at), word[at], word[at + 1], word.slice(at + 2)];
  switch (below(4)) {
    case 0:
      return head + two + one + tail;
    case 1:
      return head + one + one + two + tail;
    case 2:
      return head + two + tail;
    default:
      return head + LETTERS[below(LETTERS.length)] + two + tail;
  }
}

/** Types a text at a position, in bursts, as somebody does who looks at the screen now and then. */
function type(position, writing) {
  let at = position;
  let burst = '';
  const flush = () => {
    edit(at, 0, burst);
    at += burst.length;
    burst = '';
  };
  for (const word of writing.split(/(?<=\s)/)) {
    if (/^[a-z]{4,}/.test(word) && random() < 0.3) {
      // The slip is noticed within the word, or after it; it is taken back as far as it goes.
      const wrong = misspelt(word.trimEnd());
      const seen = wrong.slice(0, 2 + below(wrong.length - 1));
      burst += seen;
      flush();
      let same = 0;
      while (same < seen.length && seen[same] === word[same]) same += 1;
      edit(at - (seen.length - same), seen.length - same, '');
      at -= seen.length - same;
      burst = word.slice(same);
    } else {
      burst += word;
    }
    if (random() < 0.3) flush();
  }
  flush();
}

/** Where the words stand, which they do once. */
function find(words) {
  const at = text.indexOf(words);
  if (at < 0 || text.indexOf(words, at + 1) >= 0) throw new Error(`not once in the text: ${words}`);
  return at;
}

function exchange(words, others) {
  const at = find(words);
  edit(at, words.length, '');
  type(at, others);
}

function add(after, words) {
  type(find(after) + after.length, words);
}

function remove(words) {
  edit(find(words), words.length, '');
}

type(0, 'garden diary\n\n');
type(
  text.length,
  'We dug the first bed on saturday, in a light rain that nobody minded. ' +
    'The ground behind the shed is heavy and full of roots, and by noon we had filled two barrows with stones.\n',
);
type(
  text.length,
  'Mira wants beans along the fence. I would rather have tomatoes there, because the wall behind it keeps the warmth of the day. ' +
    'We agreed to try both and to write down what happens, which is why there is a diary at all.\n',
);
exchange('garden diary', 'Garden diary 🌱');
exchange('saturday', 'Saturday');
type(
  text.length,
  'Seeds so far: two kinds of beans, one of peas, basil, a packet without a label. ' +
    'The packet came from the café on the corner and smells of nothing.\n',
);
add('one of peas, ', 'rocket, ');
add('full of roots', ' as thick as a thumb');
exchange('nobody minded', 'neither of us minded');
remove(', because the wall behind it keeps the warmth of the day');
type(
  text.length,
  '\nSecond week\n\nThe peas are up! Eleven of them, in a crooked row, each no taller than a fingernail. ' +
    'Something has eaten the rocket already. Mira suspects the blackbird, and I suspect the snails, so tonight we go out with a lamp.\n' +
    'It was the snails. We counted thirty-one 🐌 and carried them, one bucket after another, to the far side of the brook.\n',
);
exchange('thirty-one', '31');
add('It was the snails', ', of course');
exchange('Something has eaten the rocket already', 'Something has already eaten the rocket');
edit(find('Mira suspects'), 0, '\n');
edit(find('\nMira suspects'), 1, '');
type(
  text.length,
  'Tomatoes: still on the windowsill, still sulking. A neighbour says they want a name each, to be spoken to. ' +
    'So now there are Agnès, Björn, Chloë and 小明, and it has not helped.\n',
);
add('and it has not helped', ' yet');
exchange('A neighbour says', 'Mr Öztürk from next door says');
remove(' The packet came from the café on the corner and smells of nothing.');
add('a packet without a label', ' (from the café on the corner)');

// The beans are a matter of the first week: the paragraph moves up.
const tomatoes = text.slice(find('Tomatoes: still'));
edit(text.length - tomatoes.length, tomatoes.length, '');
edit(find('\nSecond week'), 0, tomatoes);

type(
  text.length,
  '\nThird week\n\nA dry week, and so windy that the bean poles lean like sailors. We water in the evening, when the light is long and the swifts are out. ' +
    'The packet without a label turns out to be marigolds, or something that looks very much like them. ' +
    'Agnès has a flower: one, yellow, smaller than a coin. We stood in front of it for a good while and said nothing 🍅\n',
);
exchange('a good while', 'quite a while');
exchange('turns out to be', 'has come up, and it seems to be');
add('We water in the evening', ', the two of us');
remove(', or something that looks very much like them');
exchange('smaller than a coin', 'no bigger than a coin');
add('lean like sailors', ' on leave');
type(text.length, '\nTo do: string, more string, a second bucket. Ask Mr Öztürk about the wasps.');
exchange('more string', 'a lot more string');
edit(text.length - 1, 1, '');
type(text.length, ' — kindly!');

process.stdout.write(
  `{\n"edits": [\n${edits.map((one) => JSON.stringify(one)).join(',\n')}\n],\n` +
    `"endContent": ${JSON.stringify(text)}\n}\n`,
);
