// What a published manifest does without: nobody who installs a package runs its scripts or needs what built it.
module.exports = {
  hooks: {
    beforePacking({ scripts, devDependencies, 'size-limit': sizes, ...published }) {
      return published;
    },
  },
};
