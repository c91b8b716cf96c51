// A provider that has the schema of a real one and reaches nothing: `tofu validate` and `tofu test`
// with mocked values need no more of it. SCHEMA names its file, in the format of
// `tofu providers schema -json`; ADDRESS is what the provider is called.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type attribute struct {
	Type                         any
	Required, Optional, Computed bool
	WriteOnly                    bool `json:"write_only"`
}

type block struct {
	Attributes map[string]attribute
	BlockTypes map[string]struct {
		Block    block
		MinItems int64 `json:"min_items"`
		MaxItems int64 `json:"max_items"`
	} `json:"block_types"`
}

type schemas map[string]struct{ Block block }

type file struct {
	Provider  block
	Resources schemas `json:"resource_schemas"`
	Data      schemas `json:"data_source_schemas"`
}

func kind(of any) tftypes.Type {
	if pair, ok := of.([]any); ok {
		switch pair[0] {
		case "map":
			return tftypes.Map{ElementType: kind(pair[1])}
		case "object":
			made := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
			for name, one := range pair[1].(map[string]any) {
				made.AttributeTypes[name] = kind(one)
			}
			return made
		}
		return tftypes.List{ElementType: kind(pair[1])}
	}
	return map[any]tftypes.Type{"string": tftypes.String, "bool": tftypes.Bool, "number": tftypes.Number}[of]
}

func (b block) schema() *tfprotov5.SchemaBlock {
	made := &tfprotov5.SchemaBlock{}
	for name, a := range b.Attributes {
		made.Attributes = append(made.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: kind(a.Type), Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			WriteOnly: a.WriteOnly,
		})
	}
	for name, n := range b.BlockTypes {
		made.BlockTypes = append(made.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Nesting: tfprotov5.SchemaNestedBlockNestingModeList,
			Block: n.Block.schema(), MinItems: n.MinItems, MaxItems: n.MaxItems,
		})
	}
	return made
}

func (all schemas) schema() map[string]*tfprotov5.Schema {
	made := map[string]*tfprotov5.Schema{}
	for name, one := range all {
		made[name] = &tfprotov5.Schema{Block: one.Block.schema()}
	}
	return made
}

// provider answers for its schema and finds every value valid; whatever else is asked for fails.
type provider struct {
	tfprotov5.ProviderServer
	file
}

func (p provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	made := &tfprotov5.GetMetadataResponse{}
	for name := range p.Resources {
		made.Resources = append(made.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range p.Data {
		made.DataSources = append(made.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return made, nil
}

func (p provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{
		Provider:          &tfprotov5.Schema{Block: p.Provider.schema()},
		ResourceSchemas:   p.Resources.schema(),
		DataSourceSchemas: p.Data.schema(),
	}, nil
}

func (p provider) PrepareProviderConfig(_ context.Context, asked *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: asked.Config}, nil
}

func (p provider) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (p provider) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

func (p provider) UpgradeResourceState(_ context.Context, asked *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: &tfprotov5.DynamicValue{JSON: asked.RawState.JSON}}, nil
}

func (p provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func main() {
	text, err := os.ReadFile(os.Getenv("SCHEMA"))
	if err != nil {
		log.Fatal(err)
	}
	var found file
	if err := json.Unmarshal(text, &found); err != nil {
		log.Fatal(err)
	}
	made := func() tfprotov5.ProviderServer { return provider{file: found} }
	if err := tf5server.Serve(os.Getenv("ADDRESS"), made); err != nil {
		log.Fatal(err)
	}
}
