package openapi

import (
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/common"
)

// param is one parameter of an operation; it implements kube-openapi's
// Parameter.
type param struct {
	name, description, dataType string
	kind                        common.ParameterKind
	required, multiple          bool
}

func (p *param) Name() string               { return p.name }
func (p *param) Description() string        { return p.description }
func (p *param) Required() bool             { return p.required }
func (p *param) Kind() common.ParameterKind { return p.kind }
func (p *param) DataType() string           { return p.dataType }
func (p *param) AllowMultiple() bool        { return p.multiple }

var (
	namespaceParam = &param{name: "namespace", description: "object name and auth scope, such as for teams and projects", dataType: "string", kind: common.PathParameterKind, required: true}
	pathParam      = &param{name: "path", description: "path to the resource", dataType: "string", kind: common.PathParameterKind, required: true}
	prettyParams   = []common.Parameter{&param{name: "pretty", description: "If 'true', then the output is pretty printed. Defaults to 'false' unless the user-agent indicates a browser or command-line HTTP tool (curl and wget).", dataType: "string", kind: common.QueryParameterKind}}

	listParams   = fieldsOf(&metav1.ListOptions{})
	createParams = fieldsOf(&metav1.CreateOptions{})
	updateParams = fieldsOf(&metav1.UpdateOptions{})
	patchParams  = fieldsOf(&metav1.PatchOptions{})
	deleteParams = fieldsOf(&metav1.DeleteOptions{})
)

func nameParam(kind string) *param {
	return &param{name: "name", description: "name of the " + kind, dataType: "string", kind: common.PathParameterKind, required: true}
}

func bodyParams(required bool) []common.Parameter {
	return []common.Parameter{&param{name: "body", kind: common.BodyParameterKind, required: required}}
}

func join(lists ...[]common.Parameter) []common.Parameter {
	var out []common.Parameter
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func without(list []common.Parameter, names ...string) []common.Parameter {
	var out []common.Parameter
next:
	for _, p := range list {
		for _, n := range names {
			if p.Name() == n {
				continue next
			}
		}
		out = append(out, p)
	}
	return out
}

// fieldsOf gives a query parameter for every scalar field of an options type,
// with the description that its SwaggerDoc has. Fields that are structs
// (preconditions, a time) can only be sent in a body.
func fieldsOf(options any) []common.Parameter {
	docs := map[string]string{}
	if d, ok := options.(interface{ SwaggerDoc() map[string]string }); ok {
		docs = d.SwaggerDoc()
	}
	var out []common.Parameter
	t := reflect.TypeOf(options).Elem()
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		ft := f.Type
		if ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		if name == "" || name == "-" || ft.Kind() == reflect.Struct {
			continue
		}
		dataType := map[reflect.Kind]string{reflect.Bool: "boolean", reflect.Int64: "integer", reflect.Int32: "integer", reflect.Int: "integer"}[ft.Kind()]
		if dataType == "" {
			dataType = "string"
		}
		out = append(out, &param{name: name, description: docs[name], dataType: dataType, kind: common.QueryParameterKind})
	}
	return out
}
