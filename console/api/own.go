package api

import (
	"context"

	"github.com/ardoise/ardoise/console/access"
)

// Here is the cookie of who asks, of which nothing but whether a session is its own is told. It is exported since huma fills in
// no others; API descriptions name the cookie among the ways to sign in.
type Here struct {
	Cookie string `cookie:"__Host-ardoise" hidden:"true"`
}

// accountRoutes are one's own account, and other people's sessions.
func accountRoutes(t *table) {
	route(t, "GET /me", "who asks, as far as is known",
		func(_ context.Context, d access.Desk, _ *none) (access.Me, error) { return d.Me(), nil })
	route(t, "GET /me/sessions", "list one's own sessions in the console, the one used last first; not for tokens",
		func(_ context.Context, d access.Desk, in *Here) ([]access.Login, error) {
			return d.Logins("", in.Cookie)
		})
	route(t, "DELETE /me/sessions/{id}", "end one of one's own sessions",
		func(ctx context.Context, d access.Desk, in *ByID) (access.Me, error) {
			return d.Me(), d.EndLogin(ctx, "", in.ID)
		})
	type change struct {
		Here
		Body struct {
			Old string `json:"old"` // password
			New string `json:"new"` // password
		}
	}
	route(t, "POST /me/password", "give oneself a new password; all sessions but this one end; not for tokens",
		func(ctx context.Context, d access.Desk, in *change) (access.Me, error) {
			return d.Me(), d.ChangePassword(ctx, in.Body.Old, in.Body.New, in.Cookie)
		})
	route(t, "GET /people/{name}/sessions", "list a person's sessions in the console, the one used last first",
		func(_ context.Context, d access.Desk, in *ByName) ([]access.Login, error) {
			return d.Logins(in.Name, "")
		})
	type one struct {
		ByName
		ByID
	}
	route(t, "DELETE /people/{name}/sessions/{id}", "end one of a person's sessions",
		func(ctx context.Context, d access.Desk, in *one) ([]access.Login, error) {
			if err := d.EndLogin(ctx, in.Name, in.ID); err != nil {
				return nil, err
			}
			return d.Logins(in.Name, "")
		})
}

// lookRoutes tell what is kept of masters, and what forgetting would free.
func lookRoutes(t *table) {
	route(t, "GET /masters/{ref}/history", "a master's channels with what a roll back would make of them, their moves, the notes of its versions; ref is its NAME",
		func(_ context.Context, d access.Desk, in *ByRef) (access.History, error) { return d.History(in.Ref) })
	type sides struct {
		ByRef
		To    string `query:"to" required:"true" maxLength:"300" doc:"the other version: NAME, NAME@VERSION or NAME@CHANNEL"`
		Limit int    `query:"limit" minimum:"0" maximum:"10000" default:"500" doc:"how many differences are named; all are counted"`
	}
	route(t, "GET /masters/{ref}/compare", "what another version holds that this one does not: counts for each volume, and the first differences by name",
		func(ctx context.Context, d access.Desk, in *sides) (access.Comparison, error) {
			return d.Compare(ctx, in.Ref, in.To, in.Limit)
		})
	type frees struct {
		Bytes int64 `json:"bytes"` // of the store that nothing else needs
	}
	route(t, "GET /masters/{ref}/frees", "how much forgetting a version would free",
		func(ctx context.Context, d access.Desk, in *ByRef) (frees, error) {
			n, err := d.Frees(ctx, in.Ref)
			return frees{n}, err
		})
	route(t, "GET /setup", "how the daemon was started: what flags and files say, not the console",
		func(_ context.Context, d access.Desk, _ *none) (access.Setup, error) { return d.Setup() })
}
