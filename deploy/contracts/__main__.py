from deploy.contracts.asyncapi import FILE, to_yaml
from deploy.contracts.readme import README, with_table

FILE.parent.mkdir(exist_ok=True)
FILE.write_text(to_yaml(), encoding="utf-8")
README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
