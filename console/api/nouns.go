package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/imaging/job"
)

// nameless is how the site without a name is called in a path.
const nameless = "-"

// siteOf is the name of the site in a path.
func siteOf(in ByName) string {
	if in.Name == nameless {
		return ""
	}
	return in.Name
}

func siteRoutes(t *table) {
	route(t, "GET /sites", "list sites",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Site, error) { return d.Sites() })
	route(t, "GET /sites/{name}", "one site; - is the one without a name",
		func(_ context.Context, d access.Desk, in *ByName) (access.Site, error) { return d.Site(siteOf(*in)) })
	route(t, "PUT /sites/{name}", "make a site, or change what is said of it",
		func(ctx context.Context, d access.Desk, in *nameWith[access.SiteChange]) (access.Site, error) {
			return d.SetSite(ctx, siteOf(in.ByName), in.Body)
		})
	route(t, "DELETE /sites/{name}", "forget a site without rooms, computers and people",
		func(ctx context.Context, d access.Desk, in *ByName) (access.Site, error) {
			return d.ForgetSite(ctx, siteOf(*in))
		})
	route(t, "GET /helpers", "list the machines that wake computers in rooms' networks",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Helper, error) { return d.Helpers() })
	route(t, "POST /helpers", "add a helper; the key that it proves itself by is told once",
		func(ctx context.Context, d access.Desk, in *with[access.HelperRequest]) (job.HelperKey, error) {
			return d.AddHelper(ctx, in.Body)
		})
	route(t, "DELETE /helpers/{name}", "forget a helper: its key is worth nothing any more",
		func(ctx context.Context, d access.Desk, in *ByName) (access.Helper, error) {
			return d.ForgetHelper(ctx, in.Name)
		})
	route(t, "GET /summary", "how many computers of each room are in which state, and what is under way",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Summary, error) { return d.Summary() })
	route(t, "GET /filters", "list saved filters",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Filter, error) { return d.Filters() })
	type query struct {
		Query string `json:"query"`
	}
	route(t, "PUT /filters/{name}", "save a filter",
		func(ctx context.Context, d access.Desk, in *nameWith[query]) (access.Filter, error) {
			return d.SaveFilter(ctx, access.Filter{Name: in.Name, Query: in.Body.Query})
		})
	route(t, "DELETE /filters/{name}", "forget a filter",
		func(ctx context.Context, d access.Desk, in *ByName) (access.Filter, error) {
			return d.ForgetFilter(ctx, in.Name)
		})
	route(t, "GET /enrolment", "list rooms whose enrolment is open",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Window, error) { return d.Windows() })
	route(t, "POST /enrolment", "enrol computers in a room without comparing codes, for some time",
		func(ctx context.Context, d access.Desk, in *with[access.WindowOrder]) ([]access.Window, error) {
			return d.OpenWindow(ctx, in.Body)
		})
	route(t, "DELETE /enrolment/{name}", "close a room's enrolment",
		func(ctx context.Context, d access.Desk, in *ByName) ([]access.Window, error) {
			return d.CloseWindow(ctx, in.Name)
		})
}

func scheduleRoutes(t *table) {
	route(t, "GET /schedules", "list schedules",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Schedule, error) { return d.Schedules() })
	route(t, "GET /schedules/{id}", "one schedule",
		func(_ context.Context, d access.Desk, in *ByID) (access.Schedule, error) { return d.Schedule(in.ID) })
	route(t, "POST /schedules", "make a schedule",
		func(ctx context.Context, d access.Desk, in *with[access.Schedule]) (access.Schedule, error) {
			in.Body.ID = ""
			return d.SetSchedule(ctx, in.Body)
		})
	route(t, "PUT /schedules/{id}", "change a schedule",
		func(ctx context.Context, d access.Desk, in *idWith[access.Schedule]) (access.Schedule, error) {
			in.Body.ID = in.ID
			return d.SetSchedule(ctx, in.Body)
		})
	for _, v := range []struct{ route, verb, summary string }{
		{"POST /schedules/{id}/pause", "pause", "let its windows pass"},
		{"POST /schedules/{id}/resume", "resume", "use its windows again"},
		{"DELETE /schedules/{id}", "forget", "forget a schedule; what it has ordered goes on"},
	} {
		route(t, v.route, v.summary, func(ctx context.Context, d access.Desk, in *ByID) (access.Schedule, error) {
			return d.ChangeSchedule(ctx, in.ID, v.verb)
		})
	}
	route(t, "GET /scripts", "list scripts",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Script, error) { return d.Scripts() })
	route(t, "POST /scripts", "add a script, to be approved",
		func(ctx context.Context, d access.Desk, in *with[access.Script]) (access.Script, error) {
			return d.AddScript(ctx, in.Body)
		})
	route(t, "POST /scripts/{id}/approve", "let computers run a script",
		func(ctx context.Context, d access.Desk, in *ByHash) (access.Script, error) {
			return d.ApproveScript(ctx, in.ID)
		})
	route(t, "DELETE /scripts/{id}", "forget a script",
		func(ctx context.Context, d access.Desk, in *ByHash) (access.Script, error) {
			return d.ForgetScript(ctx, in.ID)
		})
}

// ByHash is the input of a route about a script.
type ByHash struct {
	ID string `path:"id" maxLength:"64" doc:"BLAKE3-256 of its text, hexadecimal"`
}

func requestRoutes(t *table) {
	type which struct {
		State  string `query:"state" enum:"open,answered,closed"`
		Room   string `query:"room" maxLength:"300"`
		Before string `query:"before" maxLength:"32" doc:"only lower numbers: the next page"`
		Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"at most so many; 0: 200"`

		Computer string `query:"computer" maxLength:"300" doc:"name, id, code or MAC address"`
	}
	route(t, "GET /requests", "list what people reported to be broken, newest first",
		func(ctx context.Context, d access.Desk, in *which) ([]access.Request, error) {
			return d.Requests(ctx, access.RequestFilter{State: in.State, Room: in.Room, Before: in.Before, Limit: in.Limit, Computer: in.Computer})
		})
	route(t, "GET /requests/{id}", "one request",
		func(ctx context.Context, d access.Desk, in *ByID) (access.Request, error) {
			return d.Request(ctx, in.ID)
		})
	route(t, "POST /requests", "report what is broken",
		func(ctx context.Context, d access.Desk, in *with[access.Report]) (access.Request, error) {
			return d.Report(ctx, in.Body)
		})
	for _, v := range []struct{ verb, summary string }{
		{"answer", "answer who reported"}, {"close", "close a request"}, {"reopen", "open a request again"},
	} {
		route(t, "POST /requests/{id}/"+v.verb, v.summary,
			func(ctx context.Context, d access.Desk, in *idWith[access.Answer]) (access.Request, error) {
				return d.ChangeRequest(ctx, in.ID, v.verb, in.Body)
			})
	}
	route(t, "GET /computers/{ref}/label", "the code of the label on a computer",
		func(ctx context.Context, d access.Desk, in *ByRef) (access.Label, error) {
			code, err := d.Label(ctx, in.Ref)
			return access.Label{Code: code, Path: access.LabelPath + code}, err
		})
	route(t, "POST /computers/{ref}/label", "a new code for the label on a computer; the one that it bears is worthless from then on",
		func(ctx context.Context, d access.Desk, in *ByRef) (access.Label, error) {
			code, err := d.Relabel(ctx, in.Ref)
			return access.Label{Code: code, Path: access.LabelPath + code}, err
		})
}

func peopleRoutes(t *table) {
	route(t, "GET /people", "list people",
		func(_ context.Context, d access.Desk, _ *none) ([]access.Person, error) { return d.People() })
	route(t, "GET /people/{name}", "one person",
		func(_ context.Context, d access.Desk, in *ByName) (access.Person, error) { return d.Person(in.Name) })
	route(t, "POST /people", "make a person; without a password he is invited by a link, told once",
		func(ctx context.Context, d access.Desk, in *with[access.PersonChange]) (access.Invited, error) {
			return d.AddPerson(ctx, in.Body)
		})
	route(t, "PATCH /people/{name}", "change what is said of a person",
		func(ctx context.Context, d access.Desk, in *nameWith[access.PersonChange]) (access.Person, error) {
			return d.SetPerson(ctx, in.Name, in.Body)
		})
	route(t, "POST /people/{name}/invite", "a new link by which a person sets a password, told once",
		func(ctx context.Context, d access.Desk, in *ByName) (access.Invited, error) {
			return d.Invite(ctx, in.Name)
		})
	route(t, "DELETE /people/{name}", "forget a person, with sessions and tokens",
		func(ctx context.Context, d access.Desk, in *ByName) (access.Person, error) {
			return d.RemovePerson(ctx, in.Name)
		})
	route(t, "GET /post", "where the morning's report goes",
		func(_ context.Context, d access.Desk, _ *none) (access.PostState, error) { return d.Post() })
	route(t, "PUT /post", "say where the morning's report goes; secrets that are given as they are shown stay",
		func(ctx context.Context, d access.Desk, in *with[post.Settings]) (access.PostState, error) {
			return d.SetPost(ctx, in.Body)
		})
	route(t, "POST /post/try", "send a report of the last day now",
		func(ctx context.Context, d access.Desk, _ *none) (access.PostState, error) { return d.TryPost(ctx) })
	type whose struct {
		Person string `query:"person" maxLength:"64" doc:"login; else one's own"`
	}
	route(t, "GET /tokens", "list API tokens",
		func(_ context.Context, d access.Desk, in *whose) ([]access.Token, error) { return d.Tokens(in.Person) })
	route(t, "POST /tokens", "make an API token; its secret is told once",
		func(ctx context.Context, d access.Desk, in *with[access.TokenRequest]) (access.Token, error) {
			return d.MakeToken(ctx, in.Body)
		})
	route(t, "DELETE /tokens/{id}", "make an API token worthless",
		func(ctx context.Context, d access.Desk, in *ByID) (access.Token, error) {
			return d.ForgetToken(ctx, in.ID)
		})
	type which struct {
		Who    string `query:"who" maxLength:"64"`
		Action string `query:"action" maxLength:"64"`
		What   string `query:"what" maxLength:"300"`
		Before int64  `query:"before" minimum:"0" doc:"only lower numbers: the next page"`
		Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"at most so many; 0: 200"`

		Since time.Time `query:"since" doc:"not before this time"`
		Until time.Time `query:"until" doc:"only before this time"`
	}
	route(t, "GET /audit", "who did what, newest first",
		func(ctx context.Context, d access.Desk, in *which) ([]access.AuditEntry, error) {
			return d.Audit(ctx, access.AuditFilter{Who: in.Who, Action: in.Action, What: in.What, Before: in.Before, Limit: in.Limit,
				Since: in.Since, Until: in.Until})
		})
	route(t, "GET /audit/verify", "whether the audit log is what was written",
		func(ctx context.Context, d access.Desk, _ *none) (access.AuditState, error) {
			return d.VerifyAudit(ctx)
		})
}

func sheetRoutes(t *table) {
	asks(stream(t, "GET /computers.csv", "computers as a list for a spreadsheet", "text/csv", exportSheet), "q", huma.TypeString, "a filter")
	in := gives[access.SheetReport](t, stream(t, "POST /computers.csv", "take names, rooms, tags and notes from a spreadsheet", "application/json", importSheet))
	takes(in, "text/csv", "columns, in any order: name, room, mac, uuid, serial, tags, note")
	asks(in, "partly", huma.TypeBoolean, "take the right lines where others are wrong")
	asks(in, "try", huma.TypeBoolean, "say what would be done, and do nothing")
}

func exportSheet(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	write, err := d.Export(r.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="computers.csv"`)
	if write(w) != nil {
		panic(http.ErrAbortHandler) // half a list must not pass for a whole one
	}
	return nil
}

// maxSheet is the longest list that is taken, in bytes.
const maxSheet = 32 << 20

func importSheet(w http.ResponseWriter, r *http.Request, d access.Desk) error {
	out, err := d.ImportSheet(r.Context(), http.MaxBytesReader(w, r.Body, maxSheet+1), access.Sheet{Partly: isOn(r, "partly"), Try: isOn(r, "try")})
	if err != nil {
		return err
	}
	return respond(w, out)
}
