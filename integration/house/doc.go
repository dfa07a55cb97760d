// Package house tests the map of the house: which room may know which, and how a file, a function and an exported name
// must look.
//
//	cmd ---> console ---> fleet ---> imaging ---> masters        imports point down only
//	 \-----> pxe                                                 pxe knows none of the others
//	integration, scripts ---> everything; nobody ---> integration, scripts
//
// Inside a room the same holds: imaging/agent uses capture, restore and multicast, those use disk and volume, all of
// them use job; neighbours on one level never import each other. What a room needs of a neighbour it declares as a
// small interface of its own, and the room above wires the two.
//
// Each test walks `go list` or the source tree, and each failure carries the reason of its rule, so that who breaks a
// rule learns why it is there. Guaranteed: the rules hold for every Go package and text file of the module. Not
// guaranteed: that comments are true, or names good; reading is for people.
package house
