package endpoints

import (
	"encoding/json"
	"fmt"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

// scaleColumns are the table form of a Scale.
var scaleColumns = []registry.Column{
	{Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"]},
	{Name: "Desired", Type: "integer", Description: autoscalingv1.ScaleSpec{}.SwaggerDoc()["replicas"]},
	{Name: "Available", Type: "integer", Description: autoscalingv1.ScaleStatus{}.SwaggerDoc()["replicas"]},
	{Name: "Age", Type: "string", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
}

func scaleCells(s *autoscalingv1.Scale, now time.Time) []any {
	age := "<unknown>"
	if !s.CreationTimestamp.IsZero() {
		age = duration.HumanDuration(now.Sub(s.CreationTimestamp.Time))
	}
	return []any{s.Name, int64(s.Spec.Replicas), int64(s.Status.Replicas), age}
}

// tableOfObjects answers with a table of objects that are not stored ones.
func (c *call) tableOfObjects(status int, objects []runtime.Object, list metav1.ListMeta) (*request.Response, error) {
	opts, err := tableOptions(c.r.Query())
	if err != nil {
		return nil, err
	}
	t := metav1.Table{
		TypeMeta: metav1.TypeMeta{APIVersion: c.form.As.GroupVersion().String(), Kind: "Table"},
		ListMeta: list,
		Rows:     []metav1.TableRow{},
	}
	columns := columnsOf(c.e)
	for _, obj := range objects {
		row := metav1.TableRow{}
		if columns, row.Cells, err = c.objectCells(obj); err != nil {
			return nil, err
		}
		if o, ok := obj.(scheme.Object); ok && c.sub == nil {
			row.Conditions = c.rowConditions(o)
		}
		if err := c.rowObject(&row, obj, opts.IncludeObject); err != nil {
			return nil, err
		}
		t.Rows = append(t.Rows, row)
	}
	if !opts.NoHeaders {
		if err := json.Unmarshal(newTableForm(columns).columns, &t.ColumnDefinitions); err != nil {
			return nil, apierrors.NewInternalError(err)
		}
	}
	body, err := json.Marshal(&t)
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("encode table: %w", err))
	}
	return c.fromJSON(status, body)
}

// objectCells gives the columns that fit an object and its cells.
func (c *call) objectCells(obj runtime.Object) ([]registry.Column, []any, error) {
	if s, ok := obj.(*autoscalingv1.Scale); ok {
		return scaleColumns, scaleCells(s, c.h.Clock()), nil
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, nil, apierrors.NewInternalError(err)
	}
	if o, ok := obj.(scheme.Object); ok && c.sub == nil && c.e.Resource.Cells != nil {
		return columnsOf(c.e), c.cellsOf(o, c.h.Clock), nil
	}
	return defaultColumns, defaultCells(m), nil
}

func (c *call) rowObject(row *metav1.TableRow, obj runtime.Object, include metav1.IncludeObjectPolicy) error {
	switch include {
	case metav1.IncludeNone:
	case metav1.IncludeObject:
		row.Object.Object = obj
	default:
		m, err := meta.Accessor(obj)
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		partial := meta.AsPartialObjectMetadata(m)
		partial.TypeMeta = metav1.TypeMeta{APIVersion: c.form.As.GroupVersion().String(), Kind: "PartialObjectMetadata"}
		row.Object.Object = partial
	}
	return nil
}

// listMetaOf gives the list metadata of a table that shows one object.
func listMetaOf(obj runtime.Object) metav1.ListMeta {
	m, err := meta.Accessor(obj)
	if err != nil {
		return metav1.ListMeta{}
	}
	return metav1.ListMeta{ResourceVersion: m.GetResourceVersion()}
}
