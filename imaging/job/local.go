package job

// LocalState is what an agent found, or left, in our place on its disk. It posts one to PathLocal when it has put there
// what LocalBoot names, and after each task of staging; 204. The server shows it to people: offline reset yes, or no and
// why. It decides nothing by it.
type LocalState struct {
	Place   bool   // there is an ARDOISE partition
	WhyNot  string `json:",omitempty"` // without one: a sentence in English
	NoMenu  string `json:",omitempty"` // with one: why this computer does not start from its menu, the same; "": it does
	Counter uint64 // of the grant that lies there; 0: none
	Cached  []Cached
}

// Cached is a version that the cache holds, or is to hold.
type Cached struct {
	Manifest string // hash, hexadecimal
	Missing  int64  // bytes of frames that are not there; 0: complete; -1: the manifest itself is not there
}
