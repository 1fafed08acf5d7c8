p='src/mpi.ts'
s=open(p).read()
import re
a=s.index("  const alltoallv = meeting("); b=s.index("  const bcast = meeting(")
s=s[:a]+"  const allreduce = meeting('MPI_Allreduce', 'void *', 'void *', 'int', type, type, type);\n"+s[b:]
a=s.index("    // Each rank adds up its share"); b=s.index("    async broadcast(")
s=s[:a]+'''    async sum(buffer) {
      await allreduce(buffer.slice(), buffer, buffer.length, float, sum, world);
      return buffer;
    },
'''+s[b:]
a=s.index("  /** How many of `count` numbers each rank adds up. */"); b=s.index("  return {\n    rank,")
s=s[:a]+s[b:]
a=s.index("/** Where the numbers of each rank begin")
s=s[:a].rstrip()+"\n"
s=s.replace('''      const counts = Int32Array.from(lengths);
''','''      const counts = Int32Array.from(lengths);
      let end = 0;
      const starts = counts.map((count) => {
        end += count;
        return end - count;
      });
''').replace("all, counts, startsOf(counts), float","all, counts, starts, float")
s=s.replace("import { addUp } from './add-up.js';\n","").replace("const { type, world, int, float } = handles;","const { type, world, int, float, sum } = handles;")
open(p,'w').write(s)
