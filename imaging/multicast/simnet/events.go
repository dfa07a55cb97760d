package simnet

// nanos is virtual time, in nanoseconds since the scenario began.
type nanos int64

// event is something that happens at a time. What happens is a kind and two numbers, so that millions cost no memory.
type event struct {
	at   nanos
	tie  uint64 // events of one time happen in the order in which they were made
	kind kind
	pc   int32
	life int32 // of the PC or the server: what was meant for a dead one does not happen
	arg  int
}

type kind uint8

const (
	evPlan kind = iota
	evLeave
	evJoin
	evTurn    // a PC looks whether a report is due
	evReport  // a report comes to the server
	evOrders  // orders come to a PC
	evPush    // the server sends more of an answer
	evArrives // a symbol of an answer comes to a PC
	evScanned
	evBack // a PC is switched on again
	evServer
	evTrace
)

// agenda is a heap of events.
type agenda struct {
	list []event
	ties uint64
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.tie < o.tie }

// add puts an event on the agenda.
func (a *agenda) add(e event) {
	a.ties++
	e.tie = a.ties
	a.list = append(a.list, e)
	for i := len(a.list) - 1; i > 0; {
		up := (i - 1) / 2
		if !a.list[i].before(a.list[up]) {
			break
		}
		a.list[i], a.list[up] = a.list[up], a.list[i]
		i = up
	}
}

// take removes the next event.
func (a *agenda) take() event {
	e := a.list[0]
	last := len(a.list) - 1
	a.list[0] = a.list[last]
	a.list = a.list[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && a.list[down+1].before(a.list[down]) {
			down++
		}
		if !a.list[down].before(a.list[i]) {
			break
		}
		a.list[i], a.list[down] = a.list[down], a.list[i]
		i = down
	}
	return e
}
