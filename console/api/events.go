package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ardoise/ardoise/console/access"
)

// eventStream is the path of the route that events are followed by.
const eventStream = "/events/stream"

func eventRoutes(t *table) {
	type which struct {
		Computer string `query:"computer" maxLength:"300"`
		Job      string `query:"job" maxLength:"64"`
		Site     string `query:"site" maxLength:"64"`
		Room     string `query:"room" maxLength:"300" doc:"as it was at the time"`
		Kind     string `query:"kind" maxLength:"64"`
		Severity string `query:"severity" enum:"info,warning,alarm"`
		Before   int64  `query:"before" minimum:"0" doc:"only lower numbers: the next page"`
		Limit    int    `query:"limit" minimum:"0" maximum:"1000" doc:"at most so many; 0: 200"`

		Since time.Time `query:"since" doc:"not before this time"`
	}
	route(t, "GET /events", "what happened, newest first",
		func(ctx context.Context, d access.Desk, in *which) ([]access.Event, error) {
			return d.Events(ctx, access.EventFilter{Computer: in.Computer, Job: in.Job, Site: in.Site, Room: in.Room, Kind: in.Kind,
				Severity: in.Severity, Since: in.Since, Before: in.Before, Limit: in.Limit})
		})
	op := gives[access.Event](t, stream(t, "GET "+eventStream, "events as they happen, as server-sent events whose data is one event each; a comment "+
		"every 15 s; who reads too slowly is let go and comes back with Last-Event-ID", "text/event-stream", t.s.follow))
	op.Parameters = append(op.Parameters, &huma.Param{Name: "Last-Event-ID", In: "header", Description: "number of the last event that is known: what came since is told first",
		Schema: &huma.Schema{Type: huma.TypeInteger}})
	asks(op, "after", huma.TypeInteger, "number of the last event that is known; Last-Event-ID says the same")
}

// follow sends events as they happen (HTML Living Standard, section 9.2, server-sent events).
func (s *Server) follow(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("after")
	}
	var after int64
	if last != "" {
		var err error
		if after, err = strconv.ParseInt(last, 10, 64); err != nil || after < 0 {
			return access.Bad("the last event's id is a number")
		}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	begun := false
	send := func(text string) bool {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "text/event-stream")
			text = "retry: 3000\n\n" + text
		}
		_ = control.SetWriteDeadline(time.Now().Add(lineTime))
		_, err := fmt.Fprint(w, text)
		return err == nil && control.Flush() == nil
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	err := d.Follow(ctx, after, s.beat(), func(e *access.Event) bool {
		if e == nil {
			return still(r, d.Caller()) && send(": \n\n")
		}
		b, err := json.Marshal(e)
		if err != nil {
			return false
		}
		id := ""
		if e.Number > 0 {
			id = fmt.Sprintf("id: %d\n", e.Number)
		}
		return send(fmt.Sprintf("%sevent: event\ndata: %s\n\n", id, b))
	}, func() bool { return send(": \n\n") })
	if err != nil && begun {
		return nil // he sees that it ends, and comes back
	}
	return err
}
