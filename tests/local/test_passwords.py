from deploy.rabbitmq.passwords import password_hash


def test_the_example_of_rabbitmqs_documentation() -> None:
    assert password_hash("test12", bytes.fromhex("908dc60a")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_the_salt_is_random() -> None:
    assert password_hash("test12") != password_hash("test12")
