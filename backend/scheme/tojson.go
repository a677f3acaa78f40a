package scheme

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"

	"sigs.k8s.io/yaml"
)

var errNoJSON = errors.New("not an object that can be written as JSON")

// ToJSON gives compact JSON of a body of the API in any of its media types.
// Objects in protobuf must be of built-in kinds. An error says that the body is
// no object.
func ToJSON(body []byte, contentType string) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = MediaJSON
	}
	switch mediaType {
	case MediaProtobuf:
		obj, _, err := protobufSerializer.Decode(body, nil, nil)
		if err != nil {
			return nil, err
		}
		return json.Marshal(obj)
	case MediaYAML, "application/apply-patch+yaml":
		return yaml.YAMLToJSON(body)
	}
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) == 0 || first[0] != '{' && first[0] != '[' {
		return nil, errNoJSON
	}
	var b bytes.Buffer
	err = json.Compact(&b, body)
	return b.Bytes(), err
}
