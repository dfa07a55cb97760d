package api

import "reflect"

// Types are the Go types of the description's schemas, by their names.
func (s *Server) Types() map[string]reflect.Type {
	_, description := s.routes()
	out := map[string]reflect.Type{}
	for name := range description.Components.Schemas.Map() {
		if t := description.Components.Schemas.TypeFromRef("#/components/schemas/" + name); t != nil {
			out[name] = t
		}
	}
	return out
}
