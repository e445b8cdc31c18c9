package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lorrent/rpc"
)

var update = flag.Bool("update", false, "write openrpc.json anew")

// TestOpenRPC keeps the document that rpc.discover returns in step with the
// Go types and their comments.
func TestOpenRPC(t *testing.T) {
	want := generateOpenRPC(t)
	if *update {
		if err := os.WriteFile("openrpc.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openRPC, want) {
		t.Error("openrpc.json is out of date: go test ./rpc/server -run OpenRPC -update")
	}
}

// TestOpenRPCReferences finds references to nothing, and things that nothing
// refers to.
func TestOpenRPCReferences(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
			Errors  map[string]json.RawMessage `json:"errors"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openRPC, &doc); err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, m := range regexp.MustCompile(`"\$ref": "#/components/([a-z]+/[A-Za-z]+)"`).FindAllSubmatch(openRPC, -1) {
		used[string(m[1])] = true
	}
	defined := make(map[string]bool)
	for name := range doc.Components.Schemas {
		defined["schemas/"+name] = true
	}
	for name := range doc.Components.Errors {
		defined["errors/"+name] = true
	}
	for name := range used {
		if !defined[name] {
			t.Errorf("%s is referred to and not defined", name)
		}
	}
	for name := range defined {
		if !used[name] && !protocolErrors[strings.TrimPrefix(name, "errors/")] {
			t.Errorf("%s is defined and not referred to", name)
		}
	}
}

// TestEventTypesComplete compares the list that filters and the document use
// with the types that exist.
func TestEventTypesComplete(t *testing.T) {
	source, err := os.ReadFile("../../daemon/event/types.go")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, d := range eventData() {
		listed = append(listed, reflect.TypeOf(d).Name())
	}
	found := regexp.MustCompile(`(?m)^func \((\w+)\) Type\(\)`).FindAllSubmatch(source, -1)
	if len(found) != len(listed) {
		t.Errorf("%d event types exist, %d are listed", len(found), len(listed))
	}
	for _, m := range found {
		if !slices.Contains(listed, string(m[1])) {
			t.Errorf("event.%s is missing in eventData", m[1])
		}
	}
}

// object is a JSON object; its members come out sorted.
type object map[string]any

// generator collects schemas while it walks the types.
type generator struct {
	comments comments
	schemas  object
	errors   object
}

func generateOpenRPC(t *testing.T) []byte {
	g := &generator{comments: readComments(t), schemas: object{}, errors: object{}}
	var methods []object
	for _, name := range []string{"Torrent", "Message", "LoRa", "Event", "Daemon"} {
		service := reflect.TypeOf(services(Config{}, defaultLimits())[name])
		for i := range service.NumMethod() { // sorted by name
			methods = append(methods, g.method(t, name, service.Method(i)))
		}
	}
	var events []object
	for _, d := range eventData() {
		events = append(events, object{"type": d.Type(), "data": g.schema(reflect.TypeOf(d))})
	}
	for name := range protocolErrors {
		g.error(name)
	}
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(struct {
		OpenRPC    string   `json:"openrpc"`
		Info       object   `json:"info"`
		Servers    []object `json:"servers"`
		Methods    []object `json:"methods"`
		Components object   `json:"components"`
		Events     []object `json:"x-events"`
	}{
		"1.3.2",
		object{
			"title": "lorrent", "version": strconv.Itoa(rpc.API), "license": object{"name": "MIT"},
			"description": g.comments["package rpc"],
		},
		[]object{{"name": "the daemon", "url": "http://localhost" + rpc.Path}},
		methods,
		object{"schemas": g.schemas, "errors": g.errors},
		events,
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Bytes()
}

func (g *generator) method(t *testing.T, service string, m reflect.Method) object {
	doc := g.comments[service+"Service."+m.Name]
	if doc == "" {
		t.Errorf("%sService.%s has no comment", service, m.Name)
	}
	// "Add adds a torrent" is how Go says it; a reader of the document has the
	// name before their eyes.
	doc = strings.TrimPrefix(doc, m.Name+" ")
	doc = strings.ToUpper(doc[:1]) + doc[1:]
	if want := reflect.TypeFor[*http.Request](); m.Type.NumIn() != 4 || m.Type.In(1) != want {
		t.Fatalf("%s.%s is exported and no method", service, m.Name)
	}
	args, reply := m.Type.In(2).Elem(), m.Type.In(3).Elem()
	params := []object{}
	for i := range args.NumField() {
		field := args.Field(i)
		name, optional := jsonTag(field)
		p := object{"name": name, "required": !optional, "schema": g.field(args, field)}
		if text := g.comments[args.Name()+"."+field.Name]; text != "" {
			p["description"] = text
		}
		params = append(params, p)
	}
	var errors []object
	for _, name := range append(slices.Clone(methodErrors[service+"."+m.Name]), "InvalidParams", "Internal", "Timeout", "Closing") {
		errors = append(errors, g.error(name))
	}
	summary, _, _ := strings.Cut(doc, ". ")
	return object{
		"name": service + "." + m.Name, "summary": strings.TrimSuffix(summary, "."), "description": doc,
		"params": params, "paramStructure": "by-name", "errors": errors,
		"result": object{"name": "result", "schema": g.schema(reply)},
	}
}

// methodErrors are the errors of a method besides those any may have.
var methodErrors = map[string][]string{
	"Torrent.Add":        {"Invalid", "Denied", "Fetch", "Disk"},
	"Torrent.Get":        {"NotFound", "Ambiguous"},
	"Torrent.Start":      {"NotFound", "Ambiguous", "Disk"},
	"Torrent.Stop":       {"NotFound", "Ambiguous"},
	"Torrent.Recheck":    {"NotFound", "Ambiguous", "Disk"},
	"Torrent.Reannounce": {"NotFound", "Ambiguous"},
	"Torrent.Remove":     {"NotFound", "Ambiguous", "Disk"},
	"Torrent.SetLimits":  {"NotFound", "Ambiguous", "Invalid"},
	"Torrent.SetFiles":   {"NotFound", "Ambiguous", "Invalid", "Busy"},
	"Message.Send":       {"Invalid", "LoRaDown"},
	"Message.List":       {"Invalid"},
	"Message.Get":        {"NotFound"},
	"Event.Poll":         {"Busy"},
	"Daemon.SetLimits":   {"Invalid"},
	"Daemon.Shutdown":    {"Denied"},
}

// protocolErrors are those that belong to no method.
var protocolErrors = map[string]bool{"Parse": true, "InvalidRequest": true, "MethodNotFound": true}

// error defines an error in the components and returns a reference to it.
func (g *generator) error(name string) object {
	for code, kind := range kinds {
		if strings.EqualFold(kind, name) {
			g.errors[name] = object{"code": code, "message": g.comments["Code"+name], "data": object{"kind": kind}}
		}
	}
	return object{"$ref": "#/components/errors/" + name}
}

// schema describes a type; structs with a name go to the components.
func (g *generator) schema(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}
	case reflect.TypeFor[json.RawMessage]():
		return g.anyEvent()
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": g.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.schema(t.Elem())}
	case reflect.Pointer:
		return nullable(g.schema(t.Elem()))
	case reflect.Struct:
		return g.structure(t)
	}
	panic("no schema for " + t.String())
}

// anyEvent is the data of an event: one of all.
func (g *generator) anyEvent() object {
	var all []object
	for _, d := range eventData() {
		all = append(all, g.schema(reflect.TypeOf(d)))
	}
	return object{"oneOf": all}
}

func (g *generator) structure(t reflect.Type) object {
	ref := object{"$ref": "#/components/schemas/" + t.Name()}
	if _, known := g.schemas[t.Name()]; known {
		return ref
	}
	properties, required := object{}, []string{}
	s := object{"type": "object", "properties": properties}
	g.schemas[t.Name()] = s // before the fields, which may refer to it
	if text := g.comments[t.Name()]; text != "" {
		s["description"] = text
	}
	for _, field := range reflect.VisibleFields(t) {
		if field.Anonymous {
			continue
		}
		name, optional := jsonTag(field)
		owner := t
		if len(field.Index) > 1 {
			owner = t.Field(field.Index[0]).Type
		}
		p := g.field(owner, field)
		if text := g.comments[owner.Name()+"."+field.Name]; text != "" {
			p["description"] = text
		}
		properties[name] = p
		if !optional {
			required = append(required, name)
		}
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return ref
}

// field is the schema of a field, with what its Go type does not say.
func (g *generator) field(owner reflect.Type, field reflect.StructField) object {
	s := g.schema(field.Type)
	if values := enums[owner.Name()+"."+field.Name]; values != nil {
		s["enum"] = values
	}
	if owner == reflect.TypeFor[rpc.TorrentDetail]() {
		s = nullable(s) // a list that was not asked for
	}
	return s
}

var enums = map[string][]string{
	"Torrent.State": {
		rpc.StateQueued, rpc.StateMetadata, rpc.StateChecking, rpc.StateDownloading,
		rpc.StateSeeding, rpc.StateStopped, rpc.StateError,
	},
	"Message.State": {
		rpc.MessageQueued, rpc.MessageSent, rpc.MessageDelivered, rpc.MessageExpired,
		rpc.MessageFailed, rpc.MessageReceived,
	},
	"MessageListArgs.Direction": {"", "in", "out"},
	"Tracker.State":             {"idle", "announcing", "ok", "error"},
	"Peer.Direction":            {"in", "out"},
}

func nullable(s object) object {
	if kind, ok := s["type"].(string); ok {
		s["type"] = []string{kind, "null"}
		return s
	}
	return object{"anyOf": []object{s, {"type": "null"}}}
}

func jsonTag(f reflect.StructField) (name string, optional bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, strings.Contains(options, "omitempty")
}
