package sweep

import (
	"os"
	"runtime"
)

// attending is how many goroutines may wait for a disk before others stand still.
const attending = 4

// Attend makes room, on machines with few processors, for who waits for the disk beside who works, until back is called. A
// goroutine that reads keeps its processor until the runtime's monitor takes it away, 20 microseconds later at best: on two
// processors two that wait keep everybody from hashing. It is for the program to call, for one disk at a time; it
// changes nothing where GOMAXPROCS is set in the environment or is enough, and back leaves what the runtime would choose.
func Attend() (back func()) {
	if os.Getenv("GOMAXPROCS") != "" || runtime.GOMAXPROCS(0) >= attending {
		return func() {}
	}
	runtime.GOMAXPROCS(attending)
	return runtime.SetDefaultGOMAXPROCS
}
