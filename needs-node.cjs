// In words that every Node understands, before anything that needs a present one.

const NEEDED = [20, 19];
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  console.error(`error: This needs Node ≥ ${NEEDED.join('.')}, and here is ${process.versions.node}.`);
  process.exit(1);
}
