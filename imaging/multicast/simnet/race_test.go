//go:build race

package simnet_test

// raced tells that the race detector runs: it makes a room of a thousand ten times as slow and finds nothing there, as
// a scenario has one goroutine.
const raced = true
