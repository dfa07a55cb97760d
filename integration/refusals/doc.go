// Package refusals shows what bad input, a hostile network and a second server get: a clear error and hint, and nothing
// lost. It runs the built daemon in the virtual school, with stand-ins for agents instead of PCs.
package refusals
