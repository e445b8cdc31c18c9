package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	gorilla "github.com/gorilla/rpc/v2"
	"github.com/gorilla/rpc/v2/json2"
	"github.com/rs/zerolog"

	"lorrent/rpc"
)

// codec is gorilla's JSON-RPC codec with two differences: arguments are
// decoded strictly, and errors come from our table.
type codec struct{ *json2.Codec }

func newCodec(log zerolog.Logger) codec {
	return codec{json2.NewCustomCodecWithErrorMapper(gorilla.DefaultEncoderSelector, func(err error) error {
		e := translate(err)
		if e.Code == rpc.CodeInternal {
			log.Error().Err(err).Msg("rpc call failed")
		}
		return &json2.Error{Code: json2.ErrorCode(e.Code), Message: e.Message, Data: e.Data}
	})}
}

type paramsKey struct{}

func (c codec) NewRequest(r *http.Request) gorilla.CodecRequest {
	params, _ := r.Context().Value(paramsKey{}).(json.RawMessage)
	return strictRequest{c.Codec.NewRequest(r), params}
}

type strictRequest struct {
	gorilla.CodecRequest
	params json.RawMessage
}

// ReadRequest decodes what front put aside.
func (q strictRequest) ReadRequest(args any) error { return decodeParams(q.params, args) }

// decodeParams decodes params into the struct that args points to. Params are
// an object, or an array with that object in it; none at all is an empty
// object. A member that is unknown, given twice or of the wrong type is an
// error that names it. A null leaves the member out.
func decodeParams(params json.RawMessage, args any) error {
	params, err := paramsObject(params)
	if params == nil || err != nil {
		return err
	}
	fields := jsonFields(reflect.ValueOf(args).Elem())
	seen := make(map[string]bool)
	dec := json.NewDecoder(bytes.NewReader(params))
	if _, err := dec.Token(); err != nil { // {
		return failure(rpc.CodeInvalidParams, "params: %v", err)
	}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return failure(rpc.CodeInvalidParams, "params: cannot be read")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return failure(rpc.CodeInvalidParams, "%s: %v", clip(name, 64), err)
		}
		field, known := fields[name]
		switch {
		case !known:
			return failure(rpc.CodeInvalidParams, "%s: no such parameter%s", clip(name, 64), suggest(fields))
		case seen[name]:
			return failure(rpc.CodeInvalidParams, "%s: given twice", name)
		}
		seen[name] = true
		if err := json.Unmarshal(value, field.Addr().Interface()); err != nil {
			return failure(rpc.CodeInvalidParams, "%s: %s", name, typeError(err, field.Type()))
		}
	}
	return nil
}

// paramsObject finds the one object; nil when there is none.
func paramsObject(params json.RawMessage) (json.RawMessage, error) {
	if params == nil {
		return nil, nil
	}
	if params[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(params, &list); err != nil || len(list) > 1 {
			return nil, failure(rpc.CodeInvalidParams, "params: parameters go by name, in one object")
		}
		if len(list) == 0 {
			return nil, nil
		}
		params = list[0]
	}
	if params[0] != '{' {
		return nil, failure(rpc.CodeInvalidParams, "params: want an object")
	}
	return params, nil
}

// jsonFields are the fields of a struct by their JSON names.
func jsonFields(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
	return fields
}

func suggest(fields map[string]reflect.Value) string {
	if len(fields) == 0 {
		return "; the method takes none"
	}
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return "; there are " + strings.Join(names, ", ")
}

// typeError says what would have been right.
func typeError(err error, t reflect.Type) string {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return err.Error() // base64 says itself where it broke
	}
	return fmt.Sprintf("want %s, not %s", jsonType(t), mismatch.Value)
}

// jsonType names a Go type in JSON's words.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64 in a string"
		}
		return "an array of which each is " + jsonType(t.Elem())
	case reflect.Int, reflect.Int64:
		return "an integer"
	case reflect.Uint64:
		return "an integer from 0"
	case reflect.Float64:
		return "a number"
	}
	return "an object"
}
