package fleet

import "time"

// allowance bounds how many events somebody may have stored who can make as many as he likes: whoever floods the store
// would push out what others did, and wear down its disk.
type allowance struct {
	tokens float64
	at     time.Time
}

// bounds of an allowance: how many at once, and how long until there is one more.
type bounds struct {
	burst float64
	every time.Duration
}

// An eventful boot or task has a dozen events; a school that is switched on in the morning makes some thousand lines.
func eventBounds() bounds { return bounds{60, 30 * time.Second} }
func lineBounds() bounds  { return bounds{2000, 100 * time.Millisecond} }

// A computer that is reset at each start has some ten proofs a day.
func proofBounds() bounds { return bounds{64, time.Minute} }

// What an agent says of its computer is kept as often as that: a boot or a task has some ten things to keep, and who says other
// things all the time must not make everybody wait for the disk.
func keepBounds() bounds { return bounds{60, 30 * time.Second} }

// The allowances that nobody has for himself: senders of boot requests are not proven, so they share them.
const (
	anybody      = ""
	anybodysLine = "line"
)

// worth returns the events that are still within the allowance of a computer, or of anybody.
func (f *Fleet) worth(of string, events ...Event) []Event {
	return f.allowed(of, eventBounds(), events)
}

// worthALine returns the events of the boot server that still go to the log: a disk is full of lines as well.
func (f *Fleet) worthALine(events ...Event) []Event {
	return f.allowed(anybodysLine, lineBounds(), events)
}

// may takes one from an allowance and tells whether it was there.
func (f *Fleet) may(of string, b bounds) bool { return len(f.allowed(of, b, []Event{{}})) == 1 }

func (f *Fleet) allowed(of string, b bounds, events []Event) []Event {
	f.allowing.Lock()
	defer f.allowing.Unlock()
	now := f.o.Now()
	a, ok := f.allowances[of]
	if !ok {
		a = allowance{tokens: b.burst, at: now}
	}
	a.tokens = min(b.burst, a.tokens+max(now.Sub(a.at).Seconds(), 0)/b.every.Seconds())
	a.at = now
	n := min(len(events), int(a.tokens))
	a.tokens -= float64(n)
	f.allowances[of] = a
	return events[:n]
}

// mayKeep takes one commit from the allowance of what a computer says of itself. What is beyond it stays in memory until the
// next commit of that computer: after a restart before that the computer says it again.
func (f *Fleet) mayKeep(computer string) bool { return f.may(computer+"/kept", keepBounds()) }

// inMemory makes a change of computers and tasks that is not kept. The caller holds deciding.
func (f *Fleet) inMemory(x Change) {
	f.mu.Lock()
	for _, t := range x.Tasks {
		f.tasks[t.ID] = t
	}
	for _, c := range x.Computers {
		f.computers.put(c)
	}
	f.remember(x.Events...)
	f.mu.Unlock()
	f.tell(x.Events...)
	f.announce(x)
}
