// Package rig is what the tests with virtual PCs do all alike: a school that is torn down when its test is over, and PCs
// that are switched on, waited for and looked at. What does not come ends the test.
//
//	school := rig.Golden(t, "reset")                  golden@1 in its library, its daemon running
//	pc := rig.Add(t, school, lab.Hardware{...})       off, with an empty disk
//	rig.PowerOn(t, pc)
//	line := rig.Await(t, pc, `^ardoise: done`, limit)
//	rig.Off(t, pc)
//
// It stands beside the lab because it needs package testing, and the demo, which uses the lab, must not have that.
// Guaranteed: a PC that is on when its test fails leaves a picture of its screen, and loses its power in any case. Not
// guaranteed: that a test may go on elsewhere; these functions are for the goroutine of the test.
package rig
