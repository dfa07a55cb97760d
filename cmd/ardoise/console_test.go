package main

import (
	"errors"
	"reflect"
	"testing"

	"github.com/ardoise/ardoise/fleet/people"
)

func TestRolesOnTheCommandLine(t *testing.T) {
	o := consoleFlags{roles: []string{"it=technician", "UAI0751234A=technician:zola, hugo", "cn=profs,ou=zola=teacher:zola/S1,zola/S2", "boss=administrator"}}
	roles, places, err := o.mapped()
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[string]people.Role{"it": people.Technician, "UAI0751234A": people.Technician, "cn=profs,ou=zola": people.Teacher,
		"boss": people.Administrator}); !reflect.DeepEqual(roles, want) {
		t.Errorf("roles %v, want %v", roles, want)
	}
	if want := (map[string][]string{"UAI0751234A": {"zola", "hugo"}, "cn=profs,ou=zola": {"zola/S1", "zola/S2"}}); !reflect.DeepEqual(places, want) {
		t.Errorf("places %v, want %v", places, want)
	}
	for _, bad := range []string{"", "it", "=technician", "it=", "it=god", "it=technician:", "it=technician: ,", "boss=administrator:zola", "it=technician:*"} {
		var usage *usageError
		if _, _, err := (&consoleFlags{roles: []string{bad}}).mapped(); !errors.As(err, &usage) {
			t.Errorf("--oidc-role %q: %v", bad, err)
		}
	}
	var usage *usageError
	if _, _, err := (&consoleFlags{roles: []string{"it=reader", "it=technician"}}).mapped(); !errors.As(err, &usage) {
		t.Errorf("a value twice: %v", err)
	}
}
