//go:build !race

package simnet_test

// raced tells that the race detector runs.
const raced = false
