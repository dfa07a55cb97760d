package main

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/masters/storetest"
)

// What a room names is not forgotten behind the back of a daemon that does not run, nor is its channel taken away.
func TestWhatARoomNamesStaysWithoutADaemon(t *testing.T) {
	data := t.TempDir()
	ids, frames := storetest.Frames(t, 2, 22)
	putMaster(t, data, "salle", ids, frames)
	putMaster(t, data, "salle", ids[:1], frames[:1])
	said[access.Move](t, "master", "promote", "salle@2", "pilot", "--data", data)
	store, err := sqlite.Open(t.Context(), filepath.Join(data, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	rooms := []fleet.Room{fleet.NewRoom("S104"), fleet.NewRoom("S105")}
	rooms[0].Master, rooms[1].Master = "salle@1", "salle@pilot"
	if err := errors.Join(store.Commit(t.Context(), fleet.Change{Rooms: rooms}), store.Close()); err != nil {
		t.Fatal(err)
	}
	told(t, 3, "", "room S104 is to run it", "master", "forget", "salle@1", "--data", data)
	told(t, 3, "", "room S105 is to run it", "master", "promote", "salle", "pilot", "--off", "--data", data)
	said[access.Move](t, "master", "promote", "salle@1", "other", "--data", data)
	said[access.Move](t, "master", "promote", "salle", "other", "--off", "--data", data)
}
