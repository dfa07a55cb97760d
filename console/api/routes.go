package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
)

func computerRoutes(t *table) {
	type query struct {
		Q     string `query:"q" maxLength:"1000" doc:"a filter, such as: room:S104 -runs:Bureautique@7 unseen>30d"`
		After string `query:"after" maxLength:"64" doc:"id of the last computer of the page before"`
		Limit int    `query:"limit" minimum:"0" maximum:"10000" doc:"a page of at most so many, by id; 0: all, by name"`
	}
	route(t, "GET /computers", "list computers, those that wait for approval with their codes",
		func(_ context.Context, d access.Desk, in *query) ([]access.Computer, error) {
			if in.Limit == 0 && in.After == "" {
				return d.Computers(in.Q)
			}
			return d.ComputersAfter(in.Q, in.After, in.Limit)
		})
	route(t, "DELETE /computers/{ref}", "forget a computer, with its key, grant, token and label; one that comes back is new",
		func(ctx context.Context, d access.Desk, in *ByRef) (access.Computer, error) {
			return d.ForgetComputer(ctx, in.Ref)
		})
	route(t, "GET /computers/{ref}", "one computer, with its newest events",
		func(_ context.Context, d access.Desk, in *ByRef) (access.Computer, error) { return d.Computer(in.Ref) })
	route(t, "POST /computers/approve", "enrol the computer that shows this code on its screen",
		func(ctx context.Context, d access.Desk, in *with[access.Approve]) (access.Computer, error) {
			return d.Approve(ctx, in.Body)
		})
	route(t, "POST /computers/approve-all", "enrol several computers by the codes that they show",
		func(ctx context.Context, d access.Desk, in *with[[]access.Approve]) ([]access.Computer, error) {
			return d.ApproveAll(ctx, in.Body)
		})
	route(t, "GET /pending", "list computers that wait for approval or were only seen",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Computer, error) { return d.Pending() })
	route(t, "POST /tags", "give computers tags and take others from them",
		func(ctx context.Context, d access.Desk, in *with[access.Tagging]) ([]access.Computer, error) {
			return d.Tag(ctx, in.Body)
		})
	for _, v := range []struct{ verb, summary string }{
		{"refuse", "say no to a computer's key"},
		{"rename", "give a computer another name"},
		{"rekey", "forget a computer's key: its next start shows a code to be approved"},
		{"chainload", "start a computer's disk from GRUB, or from its firmware"},
		{"note", "keep a note on a computer"},
		{"wake", "wake a computer by the network"},
	} {
		route(t, "POST /computers/{ref}/"+v.verb, v.summary,
			func(ctx context.Context, d access.Desk, in *refWith[access.Change]) (access.Computer, error) {
				return d.Change(ctx, in.Ref, v.verb, in.Body)
			})
	}
	route(t, "POST /computers/{ref}/token", "make the token of a computer's running system, told once, or revoke it",
		func(ctx context.Context, d access.Desk, in *refWith[access.TokenOrder]) (job.RunningToken, error) {
			return d.Token(ctx, in.Ref, in.Body)
		})
}

func roomRoutes(t *table) {
	route(t, "GET /rooms", "list rooms",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Room, error) { return d.Rooms() })
	route(t, "GET /rooms/{name}", "one room",
		func(_ context.Context, d access.Desk, in *ByName) (access.Room, error) { return d.Room(in.Name) })
	route(t, "PUT /rooms/{name}", "make a room, or change what is said of it",
		func(ctx context.Context, d access.Desk, in *nameWith[access.RoomChange]) (access.Room, error) {
			return d.SetRoom(ctx, in.Name, in.Body)
		})
	route(t, "DELETE /rooms/{name}", "forget a room that no computer is in",
		func(ctx context.Context, d access.Desk, in *ByName) (access.Room, error) {
			return d.ForgetRoom(ctx, in.Name)
		})
	route(t, "POST /place", "put computers into a room, or out of theirs",
		func(ctx context.Context, d access.Desk, in *with[access.Placement]) (access.Room, error) {
			return d.Place(ctx, in.Body)
		})
}

func orderRoutes(t *table) {
	route(t, "POST /plan", "what an order would do, computer by computer, and what is lost",
		func(_ context.Context, d access.Desk, in *with[access.Order]) (access.Plan, error) {
			return d.Plan(in.Body)
		})
	route(t, "POST /jobs", "give an order",
		func(ctx context.Context, d access.Desk, in *with[access.Order]) (access.Job, error) {
			return d.Give(ctx, in.Body)
		})
	type newest struct {
		Limit  int    `query:"limit" minimum:"0" doc:"at most so many; 0: 1000"`
		Before string `query:"before" doc:"jobs with lower numbers than this: the next page"`
		Room   string `query:"room" doc:"jobs with a computer of this room"`
		State  string `query:"state" enum:"waiting,running,done,failed,cancelled" doc:"of the job"`
		Kind   string `query:"kind" enum:"deploy,reset,stage,capture,verify,wipe,inventory,script,shutdown"`
	}
	route(t, "GET /jobs", "list jobs, newest first",
		func(ctx context.Context, d access.Desk, in *newest) ([]access.Job, error) {
			return d.Jobs(ctx, access.JobFilter{Before: in.Before, Room: in.Room, State: in.State, Kind: job.Kind(in.Kind), Limit: in.Limit})
		})
	route(t, "GET /jobs/{id}", "one job, with the report of its multicast session",
		func(ctx context.Context, d access.Desk, in *ByID) (access.Job, error) { return d.Job(ctx, in.ID) })
	route(t, "POST /jobs/{id}/cancel", "cancel what has not begun and stop what has not written",
		func(ctx context.Context, d access.Desk, in *idWith[access.Cancel]) (access.Job, error) {
			return d.Cancel(ctx, in.ID, in.Body)
		})
	gives[access.Job](t, stream(t, "GET /jobs/{id}/watch", "a job as JSON lines, one at each change, until it is over", "application/jsonl", t.s.watch))
}

func houseRoutes(t *table) {
	route(t, "GET /status", "what the daemon is",
		func(_ context.Context, d access.Desk, _ *none) (access.Status, error) { return d.Status() })
	route(t, "GET /doctor", "checks of what the daemon lives in",
		func(ctx context.Context, d access.Desk, _ *none) ([]access.Check, error) { return d.Doctor(ctx) })
}

// lineTime is how long one line may take to be read: who does not read for so long has gone.
const lineTime = 10 * time.Second

// watch sends a job at each change, while whoever reads may.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	control := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	ctx, stop := context.WithCancel(r.Context())
	asking := make(chan struct{})
	defer func() { stop(); <-asking }()
	go func() {
		defer close(asking)
		tick := time.NewTicker(s.beat())
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !still(r, d.Caller()) {
					stop()
					return
				}
			}
		}
	}()
	for j, err := range d.Watch(ctx, r.PathValue("id")) {
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/jsonl")
		_ = control.SetWriteDeadline(time.Now().Add(lineTime))
		if lines.Encode(j) != nil || control.Flush() != nil {
			return nil // nobody watches any more
		}
	}
	return nil
}
