package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/diff"
)

// fieldTexts are the comments of the Go types that routes take and give: what a field means, in which unit. A test writes them
// from the source, and tells when they are not what it says any more.
//
//go:embed fields.json
var fieldTexts []byte

// described is what the comments say of one type: of itself, and of its fields by their names in JSON.
type described struct {
	Text   string            `json:"text,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
}

// values lists the values of a string type, or of a field, as a description has them.
func values[T ~string](all ...T) []any {
	out := make([]any, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return out
}

// ofTypes are the values of string types.
func ofTypes() map[reflect.Type][]any {
	return map[reflect.Type][]any{
		reflect.TypeFor[job.Kind](): values(job.KindDeploy, job.KindReset, job.KindStage, job.KindCapture, job.KindVerify, job.KindWipe, job.KindInventory,
			job.KindScript, job.KindShutdown),
		reflect.TypeFor[job.Ending]():       values(job.EndDisk, job.EndPowerOff, job.EndStay),
		reflect.TypeFor[job.Level]():        values(job.LevelFull, job.LevelQuick),
		reflect.TypeFor[job.Policy]():       values(job.PolicyDemand, job.PolicyStart, job.PolicyNight, job.PolicyNever),
		reflect.TypeFor[diff.Kind]():        values(diff.Added, diff.Removed, diff.Changed),
		reflect.TypeFor[notices.Language](): values(notices.English, notices.French),
	}
}

// ofFields are the values of fields that are plain strings, by schema and name.
func ofFields() map[string][]any {
	tasks := values(job.TaskWaiting, job.TaskRunning, job.TaskDone, job.TaskFailed, job.TaskCancelled)
	wipes := values(job.WipeAuto, job.WipeSanitize, job.WipeSecureErase, job.WipeOverwrite)
	buses := values("nvme", "sata", "scsi", "usb", "mmc", "virtio", "other")
	asked := values(requests.StateOpen, requests.StateAnswered, requests.StateClosed)
	vias := values(people.ViaSocket, people.ViaSession, people.ViaToken, people.ViaLabel, people.ViaHouse)
	return map[string][]any{
		"Computer.state": values(fleet.Unknown, fleet.Pending, fleet.Enrolled, fleet.Refused, fleet.Alarm, fleet.Expected),
		"Job.state":      tasks, "Task.state": tasks, "Conflict.state": tasks,
		"Job.wipe": wipes, "Order.wipe": wipes, "JobWipeProof.Ordered": wipes, "JobWipeProof.Method": wipes[1:],
		"Event.severity": values(fleet.Info, fleet.Warning, fleet.Grave),
		"Request.state":  asked, "RequestNote.state": asked,
		"Person.role": values(people.Roles()...), "Invited.role": values(people.Roles()...), "Me.role": values(people.Roles()...), "PersonChange.role": values(people.Roles()...),
		"Me.via": vias[:3], "AuditEntry.via": vias, "AuditEntry.result": values(access.Done, access.Refused, access.Failed),
		"Me.scopes": values(people.Scopes()...), "Token.scopes": values(people.Scopes()...), "TokenRequest.scopes": values(people.Scopes()...),
		"Schedule.days": values("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "Check.state": values(access.CheckOK, access.CheckWarn, access.CheckBad),
		"JobDisk.Bus": buses, "JobDiskRule.Bus": buses[:len(buses)-1], "JobDiskHealth.State": values(job.HealthOK, job.HealthFailing),
		"PostTry.way": values("mail", "hook"),
	}
}

// describe says in the description what fields mean, and which values they have. It only describes: what somebody sends that is
// none of them the desk refuses, in words that say what is meant.
func (t *table) describe() error {
	var texts map[string]described
	if err := json.Unmarshal(fieldTexts, &texts); err != nil {
		return fmt.Errorf("reading what the fields of the API mean: %w", err)
	}
	registry := t.api.OpenAPI().Components.Schemas
	known, named := ofTypes(), ofFields()
	for name, schema := range registry.Map() {
		schema.Description = texts[name].Text
		kinds := fieldTypes(registry.TypeFromRef("#/components/schemas/" + name))
		for field, s := range schema.Properties {
			if s.Description == "" {
				s.Description = texts[name].Fields[field]
			}
			if s.Type == huma.TypeArray {
				s = s.Items
			}
			list := named[name+"."+field]
			if list == nil {
				list = known[kinds[field]]
			}
			if list != nil && s.Enum == nil {
				s.Extensions = map[string]any{"enum": list} // as Enum it would also be judged by, before the desk is asked
			}
		}
	}
	return nil
}

// fieldTypes are the types of a struct's fields by their names in JSON: of pointers what they point at, of lists that of their
// members.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return out
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		of := f.Type
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Array {
			of = of.Elem()
		}
		out[name] = of
	}
	return out
}
