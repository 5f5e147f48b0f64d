"""What dnfile reads in each file named on standard input, one JSON object a line."""

import json
import logging
import sys

import dnfile

logging.disable(logging.CRITICAL)


def text(heap_item):
    return None if heap_item is None else str(heap_item)


def attribute_name(attribute):
    """Full name of the attribute's class, or None where the reference leads nowhere."""
    constructor = attribute.Type
    if constructor is None or constructor.row is None:
        return None
    if constructor.table.name == "MemberRef":
        owner = constructor.row.Class.row
    else:
        owner = next((row for row in tables.TypeDef if any(m.row_index == constructor.row_index for m in row.MethodList)), None)
    if owner is None or not hasattr(owner, "TypeName"):
        return None
    return ".".join(part for part in (text(owner.TypeNamespace), text(owner.TypeName)) if part)


for line in sys.stdin:
    path = line.rstrip("\n")
    try:
        file = dnfile.dnPE(path)
        tables = file.net.mdtables
        types = []
        for row in tables.TypeDef or []:
            types.append({"namespace": text(row.TypeNamespace), "name": text(row.TypeName), "attributes": []})
        for attribute in tables.CustomAttribute or []:
            if attribute.Parent is not None and attribute.Parent.table.name == "TypeDef":
                types[attribute.Parent.row_index - 1]["attributes"].append(attribute_name(attribute))
        assembly = tables.Assembly[0] if tables.Assembly and tables.Assembly.num_rows else None
        answer = {
            "path": path,
            "rows": {str(table.number): table.num_rows for table in tables.tables_list},
            "mvid": str(tables.Module[0].Mvid).upper(),
            "types": types,
            "assembly": assembly and {
                "name": text(assembly.Name),
                "version": [assembly.MajorVersion, assembly.MinorVersion, assembly.BuildNumber, assembly.RevisionNumber],
            },
        }
    except Exception as error:
        answer = {"path": path, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))
