/**
 * What a linear functional makes of the polynomial through values at these nodes: the factor of each value. The functional
 * is given by its moments, what it makes of 1, u, u² …, as many as there are nodes.
 */
export function lagrange(nodes: readonly number[], moments: readonly number[]): number[] {
  return nodes.map((node, j) => {
    // ℓ_j(u) = Π (u − u_m)/(u_j − u_m), its coefficients from u⁰ on.
    let basis = [1];
    nodes.forEach((other, m) => {
      if (m === j) return;
      const scale = 1 / (node - other);
      basis = [0, ...basis].map((above, k) => scale * (above - other * (basis[k] ?? 0)));
    });
    return basis.reduce((sum, coefficient, k) => sum + coefficient * moments[k]!, 0);
  });
}
