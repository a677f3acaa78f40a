package apidoc

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func unmarshalSchema(d *jsontext.Decoder, s *Schema) error { return json.UnmarshalDecode(d, s) }
