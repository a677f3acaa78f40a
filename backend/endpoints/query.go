package endpoints

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// queryInto reads query parameters into the fields of an options type by their
// JSON names, as Kubernetes does for PodExecOptions and the like: the first
// value of a parameter, all of them for a list.
func queryInto(query url.Values, obj runtime.Object) error {
	v := reflect.ValueOf(obj)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("%T takes no parameters", obj)
	}
	v = v.Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		values := query[name]
		if f.Anonymous || name == "" || len(values) == 0 {
			continue
		}
		if err := setField(v.Field(i), values); err != nil {
			return err
		}
	}
	return nil
}

func setField(f reflect.Value, values []string) error {
	switch f.Kind() {
	case reflect.Pointer:
		p := reflect.New(f.Type().Elem())
		if err := setField(p.Elem(), values); err != nil {
			return err
		}
		f.Set(p)
	case reflect.String:
		f.SetString(values[0])
	case reflect.Bool:
		// Everything but false and 0 is true, and so is a name without a value.
		f.SetBool(values[0] != "0" && !strings.EqualFold(values[0], "false"))
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(values[0], 10, 64)
		if err != nil {
			return err
		}
		if f.OverflowInt(n) {
			return fmt.Errorf("%s is out of range", values[0])
		}
		f.SetInt(n)
	case reflect.Struct:
		if t, ok := f.Addr().Interface().(*metav1.Time); ok {
			return t.UnmarshalQueryParameter(values[0])
		}
	case reflect.Slice:
		list := reflect.MakeSlice(f.Type(), len(values), len(values))
		for i := range values {
			if err := setField(list.Index(i), values[i:i+1]); err != nil {
				return err
			}
		}
		f.Set(list)
	}
	return nil
}
