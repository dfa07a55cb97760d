package main

import (
	"reflect"
	"unsafe"
)

// reach returns the bytes of memory that a pointer leads to: all that its fields, slices, maps and pointers hold, each once.
// A map counts as its keys and values and as much again, for what it keeps free.
func reach(pointer any) int64 {
	r := reacher{}
	return r.of(reflect.ValueOf(pointer))
}

// reacher remembers what was counted.
type reacher map[unsafe.Pointer]bool

// first tells whether memory is met for the first time.
func (r reacher) first(at unsafe.Pointer) bool {
	if at == nil || r[at] {
		return false
	}
	r[at] = true
	return true
}

// of returns the bytes that a value leads to, its own not included.
func (r reacher) of(v reflect.Value) (bytes int64) {
	switch v.Kind() {
	case reflect.Pointer:
		if r.first(v.UnsafePointer()) {
			bytes = int64(v.Type().Elem().Size()) + r.of(v.Elem())
		}
	case reflect.Slice:
		if v.Cap() == 0 || !r.first(v.UnsafePointer()) {
			return 0
		}
		bytes = int64(v.Cap()) * int64(v.Type().Elem().Size())
		for i := range v.Len() {
			if !leads(v.Type().Elem()) {
				break
			}
			bytes += r.of(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			if !leads(v.Type().Elem()) {
				break
			}
			bytes += r.of(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			bytes += r.of(v.Field(i))
		}
	case reflect.Map:
		if v.IsNil() || !r.first(v.UnsafePointer()) {
			return 0
		}
		bytes = 2 * int64(v.Len()) * int64(v.Type().Key().Size()+v.Type().Elem().Size())
		for each := v.MapRange(); each.Next(); {
			bytes += r.of(each.Key()) + r.of(each.Value())
		}
	case reflect.String:
		bytes = int64(v.Len())
	default: // numbers hold nothing; there are no interfaces, channels and functions in what is counted here
	}
	return bytes
}

// leads tells whether values of a type may lead to memory of their own.
func leads(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.String:
		return true
	case reflect.Array:
		return leads(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if leads(t.Field(i).Type) {
				return true
			}
		}
	default:
	}
	return false
}
