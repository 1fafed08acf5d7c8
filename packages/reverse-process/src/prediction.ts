/**
 * What a network is asked for: the noise ε (Ho et al. 2020), the data x_0, the velocity v = √ᾱ_t ε − √(1 − ᾱ_t) x_0
 * (Salimans and Ho 2022), or the previous mean μ̃_t(x_t, x_0) (Ho et al. 2020, eq. 7).
 */
export type Prediction = 'epsilon' | 'x0' | 'v' | 'previous';
